import { firstImageCommand } from "#platform";
import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, toggle, value } from "../../parser/flag.ts";
import { count, reference } from "../../parser/kinds.ts";
import { cidr } from "../../parser/network.ts";
import { pathOrName } from "../../parser/path-or-name.ts";
import { renderInfo } from "./info-fields.ts";
import { storageFlags, storageOptions } from "./storage-flags.ts";

/** The library knows the drivers of this platform, and names them when it refuses one. */
const driver = (name: string, summary: string): Flag<string | undefined> =>
  value(name, "NAME", reference, summary, { default: "auto" });

const hypervisor = driver("hypervisor", "auto, or the name of a driver such as qemu");
const accel = driver("accel", "auto, kvm, hvf or tcg (software emulation)");
const network = driver("network", "auto, or the name of a driver such as user");
const kernel: Flag<string | undefined> = value(
  "kernel",
  "KERNEL",
  reference,
  "preset to pull, or path of a kernel file",
  {
    default: "debian, when first needed",
  },
);
const subnet: Flag<string | undefined> = value("subnet", "CIDR", cidr, "where VMs get their addresses from", {
  default: "10.100.0.0/16, or another that is free",
});
const outside: Flag<string | undefined> = value(
  "wan-iface",
  "IF",
  reference,
  "interface that leads outside",
  {
    default: "whichever the host's routes say",
  },
);
const cpuWeight: Flag<number | undefined> = value(
  "cpu-weight",
  "N",
  count,
  "weight of all VMs together, 1 to 10000; other groups of processes have 100",
  { default: "50" },
);
const noJailer: Flag<boolean> = toggle("no-jailer", "run Firecracker without its jailer");

export const init: Command = {
  flags: [...storageFlags, kernel, hypervisor, accel, network, subnet, outside, cpuWeight, noJailer],
  positionals: [],
  description: "With no flags it picks the best that this host can do. See 'ember doctor' when it refuses.",
  examples: [
    { line: "ember init", shows: "all that most people need" },
    { line: "ember init --storage qcow2 --accel tcg", shows: "choose for yourself" },
    { line: "ember init --fs btrfs --size 100G", shows: "disks on a compressing file system in a file" },
    { line: "ember init --device /dev/sdb", shows: "disks on an XFS on a device of their own" },
    { line: "ember init --storage zfs --pool tank", shows: "disks in a ZFS pool that is there" },
    { line: "ember init --storage dm-thin --size 100G", shows: "disks in a thin pool in sparse files" },
  ],
  async run(session, args) {
    const ember = await session.ember();
    const { value: installation, took } = await session.task("preparing this host", (options) =>
      ember.init({
        ...storageOptions(args, session.context),
        ...defined({
          kernel: pathOrName(args.get(kernel), session.context),
          hypervisor: args.get(hypervisor),
          accelerator: args.get(accel),
          network: args.get(network),
          subnet: args.get(subnet),
          outsideInterface: args.get(outside),
          cpuWeight: args.get(cpuWeight),
          jailer: args.get(noJailer) ? false : undefined,
        }),
        ...options,
      }),
    );
    session.note(`ready in ${took}; next: ${firstImageCommand}`);
    session.result({
      json: installation,
      text: () => renderInfo(installation, session.look),
      quiet: () => "",
    });
    return 0;
  },
};
