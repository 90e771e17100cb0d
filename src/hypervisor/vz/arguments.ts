import { resolve } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import type { NicSpec, PortForward, VmSpec } from "../hypervisor.ts";
import { controlSocket, fileNames, processMark, vsockSocket } from "./places.ts";

/** An argument that ember-vz has, and nobody who looks for a VM's mark. */
export const commonArgument = "--ready-fd";

/** Where ember-vz tells how the start went: the first descriptor after the standard ones. */
export const readyDescriptor = 3;

const mib = 2 ** 20;

/** The command line of `ember-vz run` (vz/README.md). */
export function vzArguments(spec: VmSpec): string[] {
  const { vmId, runtimeFolder, nic } = spec;
  const inFolder = (name: string): string => resolve(spec.folder, name);
  return [
    ...["run", "--name", processMark(vmId), commonArgument, `${readyDescriptor}`],
    ...["--kernel", spec.kernelPath, "--initrd", spec.initrdPath],
    ...["--cpus", `${spec.cpus}`, "--memory", `${Math.floor(spec.memoryBytes / mib)}`],
    ...["--boot-args", ["console=hvc0", spec.bootArguments.trim()].filter((part) => part !== "").join(" ")],
    ...["--console-log", inFolder(spec.consoleLog), "--machine-id", inFolder(fileNames.machineId)],
    ...["--control", controlSocket(runtimeFolder, vmId), "--vsock", vsockSocket(runtimeFolder, vmId)],
    ...spec.drives.flatMap(({ path, readOnly }) => ["--disk", readOnly ? `${path},ro` : path]),
    ...(nic === undefined ? ["--network", "none"] : networkArguments(nic)),
  ];
}

function networkArguments(nic: NicSpec): string[] {
  if (nic.kind === "socket") return ["--network", `socket:${nic.path}`, "--mac", nic.mac];
  if (nic.kind !== "vmnet") throw new EmberError("internal", `ember-vz has no network '${nic.kind}'`);
  const network = nic.isolated ? ["--network", "none"] : ["--network", "nat", "--mac", nic.mac];
  return [...network, ...nic.forwards.flatMap((forward) => ["--forward", forwardArgument(forward)])];
}

function forwardArgument({ protocol, hostAddress, hostPort, guestPort }: PortForward): string {
  const address = hostAddress.includes(":") ? `[${hostAddress}]` : hostAddress;
  return `${protocol}:${address}:${hostPort}:${guestPort}`;
}
