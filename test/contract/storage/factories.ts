import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../src/host/run.ts";
import { lookUpTool } from "../../../src/host/tools.ts";
import { createQcow2 } from "../../../src/storage/qcow2/driver.ts";
import { createReflink } from "../../../src/storage/reflink/driver.ts";
import {
  loopMount,
  mib,
  missingForMounts,
  type StorageFactory,
  type StorageFacts,
  scratchFolder,
  underTest,
  unmountAll,
} from "./place.ts";

const reflink: StorageFactory["driver"] = { name: "reflink", create: createReflink };
const qcow2: StorageFactory["driver"] = { name: "qcow2", create: createQcow2 };

const files: StorageFacts = {
  diskFiles: true,
  mountsFolder: false,
  clonesFill: true,
  slackBytes: 256 * 1024,
  freesOverwritten: "bytes",
  unknown: ["image.logicalBytes", "vm.logicalBytes", "snapshot.logicalBytes"],
};

/** `reflink` in a folder of a btrfs that was there before. */
export const reflinkOnBtrfs: StorageFactory = {
  driver: reflink,
  facts: { ...files, freesOverwritten: "extents" },
  missing: () => missingForMounts("btrfs", ["mkfs.btrfs"]),
  async make({ folderName = "storage", small = false } = {}) {
    // Mixed: data and metadata share what space there is, so full is full.
    const place = await loopMount(["mkfs.btrfs", "-q", "--mixed"], (small ? 24 : 200) * mib);
    return underTest(reflink, { driver: "reflink", folder: join(place.path, folderName) }, async () => {
      await place[Symbol.asyncDispose]();
    });
  },
};

/** `reflink` on the file system that its own `init` makes and mounts, in a sparse file. */
function onOwnFile(fileSystem: "xfs" | "btrfs", backingBytes: number, facts: StorageFacts): StorageFactory {
  return {
    driver: reflink,
    facts: { ...facts, mountsFolder: true },
    missing: () => missingForMounts(fileSystem, [`mkfs.${fileSystem}`, "flock"]),
    async make({ folderName = "storage" } = {}) {
      const place = scratchFolder();
      const folder = join(place.path, folderName);
      const backingFile = `${folder}.${fileSystem}`;
      const config = { driver: "reflink", folder, backingFile, backingBytes, fileSystem };
      return underTest(reflink, config, async () => {
        await unmountAll(folder);
        place[Symbol.dispose]();
      });
    },
  };
}

export const reflinkOnOwnXfs: StorageFactory = onOwnFile("xfs", 301 * mib, files);

/** Compressed, and what is compressed is counted as it lies on the disk. */
export const reflinkOnOwnBtrfs: StorageFactory = onOwnFile("btrfs", 256 * mib, {
  ...files,
  clonesFill: false,
  freesOverwritten: "extents",
  unknown: [],
});

/** `reflink` on a block device that is ember's as a whole: a loop device does for one. */
export const reflinkOnDevice: StorageFactory = {
  driver: reflink,
  facts: { ...files, mountsFolder: true },
  missing: () => missingForMounts("xfs", ["mkfs.xfs", "flock", "wipefs"]),
  async make({ folderName = "storage" } = {}) {
    const place = scratchFolder();
    const file = join(place.path, "device");
    const folder = join(place.path, folderName);
    writeFileSync(file, "");
    truncateSync(file, 320 * mib);
    const device = (await run("losetup", ["--find", "--show", "--", file])).stdout.trim();
    return underTest(reflink, { driver: "reflink", folder, device }, async () => {
      await unmountAll(folder);
      await run("losetup", ["--detach", device], { okStatuses: [0, 1] });
      place[Symbol.dispose]();
    });
  },
};

/** `qcow2` on a file system that cannot clone. */
export const qcow2OnExt4: StorageFactory = {
  driver: qcow2,
  // Each file of a chain has tables of its own.
  facts: { ...files, slackBytes: 512 * 1024, freesOverwritten: "nothing", sharesFileSystem: true },
  missing() {
    const absent = ["qemu-img", "qemu-io"].filter((tool) => lookUpTool(tool) === undefined);
    if (absent.length === 0) return undefined;
    return { requirement: "qcow2", reason: `not installed: ${absent.join(", ")}` };
  },
  async make({ folderName = "storage", small = false } = {}) {
    if (small) {
      const mounted = await loopMount(["mkfs.ext4", "-q", "-F"], 16 * mib);
      return underTest(qcow2, { driver: "qcow2", folder: join(mounted.path, folderName) }, async () => {
        await mounted[Symbol.asyncDispose]();
      });
    }
    const place = scratchFolder();
    return underTest(qcow2, { driver: "qcow2", folder: join(place.path, folderName) }, async () => {
      place[Symbol.dispose]();
    });
  },
};
