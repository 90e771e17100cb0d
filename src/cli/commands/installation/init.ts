import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, type Parser, toggle, value } from "../../parser/flag.ts";
import { choice, path, reference } from "../../parser/kinds.ts";
import { cidr } from "../../parser/network.ts";
import { absolutePath, pathOrName } from "../../parser/path-or-name.ts";
import { size } from "../../parser/size.ts";
import { renderInfo } from "./info-fields.ts";

/** The library knows the drivers of this platform, and names them when it refuses one. */
const driver = (name: string, parser: Parser<string>, summary: string): Flag<string | undefined> =>
  value(name, "NAME", parser, summary, { default: "auto" });

const storage = driver("storage", reference, "auto, reflink, qcow2, zfs or dm-thin: how disks share blocks");
const hypervisor = driver("hypervisor", reference, "auto, or the name of a driver such as qemu");
const accel = driver("accel", reference, "auto, kvm, hvf or tcg (software emulation)");
const network = driver("network", reference, "auto, or the name of a driver such as user");
const storagePath: Flag<string | undefined> = value("storage-path", "PATH", path, "keep disks here", {
  default: "the state folder",
  complete: "file",
});
const sizeFlag: Flag<number | undefined> = value(
  "size",
  "SIZE",
  size,
  "how large a storage file that ember makes may grow",
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
  "what reflink storage makes in its file or on its device (btrfs compresses)",
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
  {
    default: "ember",
  },
);
const vdo: Flag<boolean> = toggle("vdo", "dm-thin: compress, where the kernel has dm-vdo");
const kernel: Flag<string | undefined> = value(
  "kernel",
  "KERNEL",
  reference,
  "preset to pull, or path of a kernel file",
  {
    default: "debian, when first needed",
  },
);
const subnet: Flag<string | undefined> = value("subnet", "CIDR", cidr, "where VMs get their addresses from");

export const init: Command = {
  flags: [
    storage,
    storagePath,
    sizeFlag,
    device,
    fileSystem,
    pool,
    dataset,
    vdo,
    kernel,
    hypervisor,
    accel,
    network,
    subnet,
  ],
  positionals: [],
  description: "With no flags it picks the best that this host can do. See 'ember doctor' when it refuses.",
  examples: [
    { line: "ember init", shows: "all that most people need" },
    { line: "ember init --storage qcow2 --accel tcg", shows: "choose for yourself" },
    { line: "ember init --fs btrfs --size 100G", shows: "disks on a compressing file system in a file" },
    { line: "ember init --storage zfs --pool tank", shows: "disks in a pool that is there" },
  ],
  async run(session, args) {
    const ember = await session.ember();
    const folder = args.get(storagePath);
    const devicePath = args.get(device);
    const { value: installation, took } = await session.task("preparing this host", (options) =>
      ember.init({
        ...defined({
          storage: args.get(storage),
          storagePath: folder === undefined ? undefined : absolutePath(folder, session.context),
          sizeBytes: args.get(sizeFlag),
          device: devicePath === undefined ? undefined : absolutePath(devicePath, session.context),
          fileSystem: args.get(fileSystem),
          pool: args.get(pool),
          dataset: args.get(dataset),
          vdo: args.get(vdo) ? true : undefined,
          kernel: pathOrName(args.get(kernel), session.context),
          hypervisor: args.get(hypervisor),
          accelerator: args.get(accel),
          network: args.get(network),
          subnet: args.get(subnet),
        }),
        ...options,
      }),
    );
    session.note(`ready in ${took}; next: ember image bootstrap debian`);
    session.result({
      json: installation,
      text: () => renderInfo(installation, session.look),
      quiet: () => "",
    });
    return 0;
  },
};
