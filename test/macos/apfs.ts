import { join } from "node:path";
import { createApfs } from "../../src/storage/reflink/apfs.ts";
import {
  loopMount,
  mib,
  missingForMounts,
  type StorageFactory,
  underTest,
} from "../contract/storage/place.ts";

const driver: StorageFactory["driver"] = { name: "reflink", create: createApfs };

/** `reflink` as macOS has it, on a Linux file system that clones files: ember-vz asks that in APFS's place. */
export const reflinkOnApfs: StorageFactory = {
  driver,
  facts: {
    diskFiles: true,
    mountsFolder: false,
    clonesFill: true,
    slackBytes: 256 * 1024,
    freesOverwritten: "bytes",
    unknown: ["image.logicalBytes", "vm.logicalBytes", "snapshot.logicalBytes"],
  },
  missing: () => missingForMounts("btrfs", ["mkfs.btrfs", "mkfs.xfs", "ember-vz"]),
  async make({ folderName = "storage", small = false } = {}) {
    const place = small
      ? await loopMount(["mkfs.btrfs", "-q", "--mixed"], 24 * mib)
      : await loopMount(["mkfs.xfs", "-q"], 301 * mib);
    return underTest(driver, { driver: "reflink", folder: join(place.path, folderName) }, async () => {
      await place[Symbol.asyncDispose]();
    });
  },
};
