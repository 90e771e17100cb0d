import { cloneByHelper, extentsByHelper } from "../../host/ember-vz.ts";
import { extentFlag } from "../../host/filefrag.ts";
import { run } from "../../host/run.ts";
import type { Storage, StorageConfig, StorageContext } from "../storage.ts";
import { createReflinkDisks } from "./disks.ts";
import type { ReflinkMeans } from "./means.ts";

/** Longer than any clone takes on a volume that is well. */
const slowMs = 1000;

/** Disks on macOS's APFS, cloned by ember-vz: no runtime of JavaScript clones there reliably, and `cp -c` copies in silence. */
export function createApfs(config: StorageConfig, context?: Pick<StorageContext, "notice">): Storage {
  return createReflinkDisks(apfsMeans(context?.notice ?? (() => undefined)), config, undefined);
}

export function apfsMeans(notice: StorageContext["notice"], now: () => number = Date.now): ReflinkMeans {
  return {
    share: async (source, target) => {
      const started = now();
      await cloneByHelper(source, [target]);
      const tookMs = now() - started;
      if (tookMs <= slowMs) return;
      notice(
        `cloning '${source}' took ${(tookMs / 1000).toFixed(1)} s: the volume is busy or its disk fails; 'diskutil verifyVolume' examines it`,
      );
    },
    remedy: "put ember's disks on an APFS volume: ember init --storage-path PATH",
    settle: async () => {
      await run("/bin/sync", [], { timeoutMs: 600_000 });
    },
    readExtents: (folder, names, onExtent) =>
      extentsByHelper(folder, names, (file, place, length) =>
        onExtent(file, place, length, extentFlag.shared),
      ),
    tellsShared: false,
    isInUse: () => false, // nothing lists who has a file open without root
  };
}
