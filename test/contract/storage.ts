import { describe, setDefaultTimeout, test } from "bun:test";
import { cloneTests } from "./storage/clones.ts";
import { faultTests } from "./storage/faults.ts";
import { fullTests } from "./storage/full.ts";
import { killTests } from "./storage/kills.ts";
import { lifecycleTests } from "./storage/lifecycle.ts";
import { type StorageFactory, skipReason } from "./storage/place.ts";
import { snapshotTests } from "./storage/snapshots.ts";
import { usageTests } from "./storage/usage.ts";

/**
 * What every storage driver must do (src/storage/storage.ts), run over one driver on one kind of file system.
 * Each test gets a storage of its own; all that it made is gone afterwards, also when it fails.
 */
export function storageContract(name: string, factory: StorageFactory): void {
  setDefaultTimeout(600_000); // a guard against hanging, also in an emulated machine; no measurement
  describe(`storage contract: ${name}`, () => {
    const reason = skipReason(`storage contract: ${name}`, factory);
    if (reason !== undefined) {
      test.skip(`needs what is missing here: ${reason}`, () => undefined);
      return;
    }
    lifecycleTests(factory);
    cloneTests(factory);
    snapshotTests(factory);
    usageTests(factory);
    faultTests(factory);
    fullTests(factory);
    killTests(factory);
  });
}
