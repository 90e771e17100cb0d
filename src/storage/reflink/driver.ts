import { constants } from "node:fs";
import { copyFile } from "node:fs/promises";
import { isLocked } from "../../host/file-locks.ts";
import { readExtents } from "../../host/filefrag.ts";
import { run } from "../../host/run.ts";
import type { Storage, StorageConfig, StorageContext } from "../storage.ts";
import { backingOf } from "./backing.ts";
import { createReflinkDisks } from "./disks.ts";
import type { ReflinkMeans } from "./means.ts";

/**
 * Disks on Linux's file systems that share blocks (btrfs, XFS): the one that holds the state folder, or one that `init`
 * makes in a sparse file or on a block device.
 */
export function createReflink(config: StorageConfig, context?: Pick<StorageContext, "notice">): Storage {
  return createReflinkDisks(linuxMeans, config, backingOf(config, context?.notice ?? (() => undefined)));
}

// EXCL because the copy truncates a target that is there before it tries to clone, and removes it when that fails.
const shareOrFail = constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL;

const copyLimitMs = 6 * 3_600_000;

export const linuxMeans: ReflinkMeans = {
  share: (source, target) => copyFile(source, target, shareOrFail),
  copy: async (source, target) => {
    // Keeps the holes, and finds them without reading them, which the runtime's own copy does not.
    await run("cp", ["--sparse=always", "--reflink=never", "--", source, target], { timeoutMs: copyLimitMs });
  },
  remedy: "copy every block with --full-copy, or run 'ember init' with another --storage or on XFS or btrfs",
  settle: async (folder) => {
    await run("sync", ["-f", folder], { timeoutMs: 600_000 });
  },
  readExtents,
  tellsShared: true,
  isInUse: isLocked,
};
