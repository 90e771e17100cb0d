import type { PortMapping } from "../../../types.ts";
import type { VmSettings } from "../../config/vm-settings.ts";
import type { Context } from "../../context.ts";
import type { Arguments } from "../../parser/arguments.ts";
import { type Flag, list, value } from "../../parser/flag.ts";
import { keyValue, record, text } from "../../parser/kinds.ts";
import { networkChoice } from "../../parser/network.ts";
import { pathOrName } from "../../parser/path-or-name.ts";
import { portMappings } from "../../parser/ports.ts";
import { cpusFlag, diskSizeFlag, kernelFlag, memoryFlag } from "./arguments.ts";
import { policyFlags } from "./policy-flags.ts";

/** The flags that describe a new VM, for `vm create` and `run`. */
const cpus = cpusFlag("1");
const memory = memoryFlag("512M");
const diskSize = diskSizeFlag("8G, or the image's size");
const kernel = kernelFlag("the installation's");
const network: Flag<string | undefined> = value(
  "network",
  "NET",
  networkChoice,
  "default, none, or a subnet",
  {
    default: "default",
    complete: ["default", "none"],
  },
);
const publish: Flag<readonly (readonly PortMapping[])[]> = list(
  "publish",
  "PORTS",
  portMappings,
  "[ADDRESS:]HOST:GUEST[/udp]: lead a port of this host, or a range, to the VM; address 127.0.0.1 unless given",
  { short: "p" },
);
const reach = policyFlags("all, or none with --allow-...");
const env: Flag<readonly (readonly [string, string])[]> = list(
  "env",
  "KEY=VALUE",
  keyValue,
  "set a variable for the command",
  { short: "e" },
);
const user: Flag<string | undefined> = value("user", "USER", text, "user for exec and ssh", {
  default: "root",
});

export const describingFlags: readonly Flag<unknown>[] = [
  cpus,
  memory,
  diskSize,
  kernel,
  network,
  publish,
  ...reach.flags,
  env,
  user,
];

/** What these flags say; a flag that was not given says nothing. */
export function settingsFromFlags(args: Arguments, context: Context): VmSettings {
  const ports = args.get(publish).flat();
  return {
    cpus: args.get(cpus),
    memoryBytes: args.get(memory),
    diskBytes: args.get(diskSize),
    kernel: pathOrName(args.get(kernel), context),
    network: args.get(network),
    ports: ports.length === 0 ? undefined : ports,
    ...reach.policyOf(args),
    secrets: reach.secretsOf(args, context),
    environment: record(args.get(env)),
    user: args.get(user),
  };
}
