import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { recordEvent } from "../state/events.ts";
import type { StorageConfig } from "../storage/storage.ts";

/** Makes the storage larger while VMs run. Throws `unsupported` for a storage without a size of its own. */
export async function growStorage(installation: Installation, sizeBytes: number | undefined): Promise<void> {
  await installation.holding(["installation"], "ember storage grow", async () => {
    const storage = await installation.storage();
    if (storage.expand === undefined) {
      throw new EmberError("unsupported", `this ${storage.name} storage has no size of its own`, {
        hint: `make what it lies on larger: ${placeOf(installation.storageConfig)}`,
      });
    }
    await storage.expand(sizeBytes);
    const { capacityBytes } = await storage.usage();
    recordEvent(installation.db, "storage.grown", storage.name, { capacityBytes });
  });
}

function placeOf({ pool, folder }: StorageConfig): string {
  return pool === undefined ? `the file system of '${folder}'` : `the pool '${pool}'`;
}
