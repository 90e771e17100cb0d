import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, type Parser, value } from "../../parser/flag.ts";
import { path, reference } from "../../parser/kinds.ts";
import { cidr } from "../../parser/network.ts";
import { absolutePath, pathOrName } from "../../parser/path-or-name.ts";
import { size } from "../../parser/size.ts";
import { renderInfo } from "./info-fields.ts";

/** The library knows the drivers of this platform, and names them when it refuses one. */
const driver = (name: string, parser: Parser<string>, summary: string): Flag<string | undefined> =>
  value(name, "NAME", parser, summary, { default: "auto" });

const storage = driver("storage", reference, "auto, reflink or qcow2: how disks share blocks");
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
  flags: [storage, storagePath, sizeFlag, kernel, hypervisor, accel, network, subnet],
  positionals: [],
  description: "With no flags it picks the best that this host can do. See 'ember doctor' when it refuses.",
  examples: [
    { line: "ember init", shows: "all that most people need" },
    { line: "ember init --storage qcow2 --accel tcg", shows: "choose for yourself" },
  ],
  async run(session, args) {
    const ember = await session.ember();
    const folder = args.get(storagePath);
    const { value: installation, took } = await session.task("preparing this host", (options) =>
      ember.init({
        ...defined({
          storage: args.get(storage),
          storagePath: folder === undefined ? undefined : absolutePath(folder, session.context),
          sizeBytes: args.get(sizeFlag),
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
