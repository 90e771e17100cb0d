import { closeSync, openSync, rmSync, statSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { syncFolder } from "../../host/files.ts";
import { attachLoop, detachLoops, growLoops, loopsOf } from "../../host/losetup.ts";
import { statIfThere } from "../disk-files.ts";
import { publish, syncFile } from "../publish.ts";
import { scratchBeside, sweepBeside } from "../scratch.ts";
import { freeBytes } from "../usage.ts";
import type { Backing, PoolDevices } from "./backing.ts";
import type { ThinLayout } from "./layout.ts";
import { blockBytes, splitPool } from "./sizes.ts";

const leastLowerBytes = 16 * 1024 ** 2;

/** A pool in two sparse files beside the storage's folder, through loop devices. */
export function fileBacking(layout: ThinLayout): Backing {
  const { dataFile, metadataFile } = layout;
  const files = [metadataFile, dataFile];
  const attach = async (): Promise<PoolDevices> => {
    for (const file of files) checkThere(file);
    const metadata = await attachLoop(metadataFile);
    return { metadata, data: await attachLoop(dataFile), dataBytes: statSync(dataFile).size };
  };
  return {
    metadataName: metadataFile,
    metadataPath: () => {
      const [device] = loopsOf(metadataFile);
      if (device === undefined) throw new EmberError("io-failed", `'${metadataFile}' is not attached`);
      return device;
    },
    below: () =>
      files.every((file) => statIfThere(file) !== undefined)
        ? files.flatMap((file) => loopsOf(file).map((path) => path.slice("/dev/".length)))
        : [],
    make: (sizeBytes, holdsDisks) => makeFiles(layout, sizeBytes, holdsDisks),
    attach,
    grow: async (sizeBytes) => {
      growFiles(layout, sizeBytes);
      for (const file of files) {
        await syncFile(file);
        await growLoops(file);
      }
      return attach();
    },
    detach: async () => {
      for (const file of files) await detachLoops(file);
    },
    purge: async () => {
      for (const file of files) rmSync(file, { force: true });
      syncFolder(dirname(dataFile));
    },
    lower: async () => {
      const bytes = await freeBytes(dirname(dataFile));
      return {
        freeBytes: bytes,
        full: bytes < leastLowerBytes,
        what: "the file system that holds ember's storage files",
      };
    },
  };
}

function checkThere(file: string): void {
  if (statIfThere(file) !== undefined) return;
  throw new EmberError("io-failed", `the storage's file '${file}' is gone`, {
    hint: "put it back, or run 'ember deinit --purge' and 'ember init' to begin anew",
  });
}

async function makeFiles(layout: ThinLayout, sizeBytes: number, holdsDisks: boolean): Promise<void> {
  const files = [layout.dataFile, layout.metadataFile];
  if (holdsDisks) return files.forEach(checkThere);
  const sizes = splitPool(sizeBytes);
  for (const [file, bytes] of [
    [layout.dataFile, sizes.dataBytes],
    [layout.metadataFile, sizes.metadataBytes],
  ] as const) {
    sweepBeside(file);
    if (statIfThere(file) !== undefined) continue;
    const scratch = scratchBeside(file);
    try {
      closeSync(openSync(scratch, "wx", 0o600));
      truncateSync(scratch, bytes);
      await syncFile(scratch);
      await publish(scratch, file);
    } finally {
      rmSync(scratch, { force: true });
    }
  }
}

function growFiles(layout: ThinLayout, sizeBytes: number | undefined): void {
  const metadata = statSync(layout.metadataFile).size;
  const data = statSync(layout.dataFile).size;
  if (sizeBytes === undefined) {
    throw new EmberError("usage", "the storage lies in files, which have no size of their own to grow to", {
      hint: "say how large it shall be, with --size",
    });
  }
  if (sizeBytes % blockBytes !== 0) {
    throw new EmberError("invalid-size", `a storage cannot have ${sizeBytes} bytes`, {
      hint: `its size is a multiple of ${blockBytes} bytes`,
    });
  }
  const wanted = splitPool(sizeBytes, metadata);
  if (wanted.dataBytes < data) {
    throw new EmberError("unsupported", `a storage of ${metadata + data} bytes cannot be made smaller`);
  }
  truncateSync(layout.metadataFile, wanted.metadataBytes);
  truncateSync(layout.dataFile, wanted.dataBytes);
}
