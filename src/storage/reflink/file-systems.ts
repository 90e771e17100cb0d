import { closeSync, openSync, readSync } from "node:fs";
import { run } from "../../host/run.ts";
import type { StorageConfig } from "../storage.ts";

/** A file system that shares blocks, as ember makes, mounts and grows it. */
export interface FileSystem {
  readonly name: NonNullable<StorageConfig["fileSystem"]>;
  readonly title: string;
  readonly leastBytes: number;
  readonly leastText: string;
  readonly mkfs: string;
  readonly growTool: string;
  readonly mountOptions: string;
  makeArguments(path: string): readonly string[];
  growArguments(folder: string): readonly string[];
}

const label = "ember";
const mib = 1024 ** 2;
// discard: what ember deletes is punched out of the sparse file, or given back to the device, again.
const safe = "noatime,nodev,nosuid,noexec,discard";

export const fileSystems: Readonly<Record<FileSystem["name"], FileSystem>> = {
  xfs: {
    name: "xfs",
    title: "an XFS",
    leastBytes: 301 * mib, // mkfs.xfs wants more than 300 MB
    leastText: "301M",
    mkfs: "mkfs.xfs",
    growTool: "xfs_growfs",
    mountOptions: safe,
    // The log is written in full, so keep mkfs from taking one of up to 2 GiB for a large sparse file.
    makeArguments: (path) => ["-q", "-f", "-m", "reflink=1", "-l", "size=64m", "-L", label, "--", path],
    growArguments: (folder) => ["-d", "--", folder],
  },
  btrfs: {
    name: "btrfs",
    title: "a btrfs",
    leastBytes: 128 * mib, // mkfs.btrfs wants more than 109 MiB
    leastText: "128M",
    mkfs: "mkfs.btrfs",
    growTool: "btrfs",
    mountOptions: `${safe},compress=zstd`,
    makeArguments: (path) => ["-q", "-f", "-L", label, "--", path],
    growArguments: (folder) => ["filesystem", "resize", "max", folder],
  },
};

export function fileSystemOf(config: StorageConfig): FileSystem {
  return fileSystems[config.fileSystem ?? "xfs"];
}

const btrfsSuperblock = 65_536;

/**
 * Whether `path` carries the file system that ember made: by magic and label. "unfinished": mkfs.xfs was killed in it
 * (mkfs.btrfs writes its magic last). Throws system errors.
 */
export function findOwn(path: string, { name }: FileSystem): "ours" | "unfinished" | "other" {
  const start = readStart(path);
  const text = (offset: number, length: number): string =>
    start
      .subarray(offset, offset + length)
      .toString("latin1")
      .replace(/\0+$/, "");
  if (name === "btrfs") {
    const magic = text(btrfsSuperblock + 64, 8);
    return magic === "_BHRfS_M" && text(btrfsSuperblock + 299, 256) === label ? "ours" : "other";
  }
  if (text(0, 4) !== "XFSB" || text(108, 12) !== label) return "other";
  return start[126] === 0 ? "ours" : "unfinished"; // sb_inprogress
}

function readStart(path: string): Buffer {
  const start = Buffer.alloc(btrfsSuperblock + 4096);
  const file = openSync(path, "r");
  try {
    for (let done = 0; done < start.length; ) {
      const count = readSync(file, start, done, start.length - done, done);
      if (count === 0) break; // the rest stays zero
      done += count;
    }
    return start;
  } finally {
    closeSync(file);
  }
}

/** Makes it on `path`, over whatever is there. */
export async function makeFileSystem(kind: FileSystem, path: string): Promise<void> {
  await run(kind.mkfs, kind.makeArguments(path), { timeoutMs: 600_000 });
}
