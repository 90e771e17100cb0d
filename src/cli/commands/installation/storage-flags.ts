import type { InitOptions } from "../../../types.ts";
import type { Context } from "../../context.ts";
import type { Arguments } from "../../parser/arguments.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, toggle, value } from "../../parser/flag.ts";
import { choice, path, reference } from "../../parser/kinds.ts";
import { absolutePath } from "../../parser/path-or-name.ts";
import { size } from "../../parser/size.ts";

const names = ["auto", "reflink", "qcow2", "zfs", "dm-thin"] as const;

/** The library knows the drivers of this platform, and names them when it refuses one. */
const storage: Flag<string | undefined> = value(
  "storage",
  "NAME",
  reference,
  "auto, reflink, qcow2, zfs or dm-thin: how disks share blocks",
  { default: "auto", complete: names },
);
const storagePath: Flag<string | undefined> = value("storage-path", "PATH", path, "keep disks here", {
  default: "the state folder",
  complete: "file",
});
const sizeFlag: Flag<number | undefined> = value(
  "size",
  "SIZE",
  size,
  "how large a storage file that ember makes may grow",
  { default: "80 % of what is free" },
);
const device: Flag<string | undefined> = value(
  "device",
  "PATH",
  path,
  "an empty block device for the disks",
  {
    complete: "file",
  },
);
const fileSystem: Flag<"xfs" | "btrfs" | undefined> = value(
  "fs",
  "KIND",
  choice("xfs", "btrfs"),
  "reflink: what to make in the file or on the device; btrfs compresses",
  { default: "xfs", complete: ["xfs", "btrfs"] },
);
const pool: Flag<string | undefined> = value("pool", "NAME", reference, "zfs: the pool to use, or to make", {
  default: "ember",
});
const dataset: Flag<string | undefined> = value(
  "dataset",
  "NAME",
  reference,
  "zfs: the dataset in the pool",
  { default: "ember" },
);
const vdo: Flag<boolean> = toggle("vdo", "dm-thin: compress, where the kernel has dm-vdo");

/** Which of them go together is for the storage that is chosen to say. */
export const storageFlags: readonly Flag<unknown>[] = [
  storage,
  storagePath,
  sizeFlag,
  device,
  fileSystem,
  pool,
  dataset,
  vdo,
];

/** What the flags ask for; only what was given. */
export function storageOptions(args: Arguments, context: Context): Partial<InitOptions> {
  const absolute = (given: string | undefined): string | undefined =>
    given === undefined ? undefined : absolutePath(given, context);
  return defined({
    storage: args.get(storage),
    storagePath: absolute(args.get(storagePath)),
    sizeBytes: args.get(sizeFlag),
    device: absolute(args.get(device)),
    fileSystem: args.get(fileSystem),
    pool: args.get(pool),
    dataset: args.get(dataset),
    vdo: args.get(vdo) ? true : undefined,
  });
}
