import { describe, test } from "bun:test";
import { cloneTests } from "./storage/clones.ts";
import { faultTests } from "./storage/faults.ts";
import { lifecycleTests } from "./storage/lifecycle.ts";
import { type StorageFactory, skipReason } from "./storage/place.ts";

/**
 * What every storage driver must do (src/storage/storage.ts), run over one driver on one kind of file system.
 * Each test gets a storage of its own; all that it made is gone afterwards, also when it fails.
 */
export function storageContract(name: string, factory: StorageFactory): void {
  describe(`storage contract: ${name}`, () => {
    const reason = skipReason(factory);
    if (reason !== undefined) {
      console.warn(`skipped: storage contract: ${name}: ${reason}`);
      test.skip(`needs what is missing here: ${reason}`, () => undefined);
      return;
    }
    lifecycleTests(factory);
    cloneTests(factory);
    faultTests(factory);
  });
}
