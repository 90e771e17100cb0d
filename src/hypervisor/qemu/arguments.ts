import { join } from "node:path";
import type { VmSpec } from "../hypervisor.ts";
import { deviceArguments } from "./devices.ts";
import type { MachineModel } from "./machine.ts";
import { option } from "./option-text.ts";

/** What the arguments depend on besides the VM. */
export interface HostFacts {
  readonly model: MachineModel;
  /** The host offers seccomp, so QEMU can give up the system calls that it does not need. */
  readonly sandbox: boolean;
  /** The host has locks that belong to an open file, so two starts of one disk can be told apart. */
  readonly lockFiles: boolean;
}

/** The whole argument by which a VM's process is found again. */
export function processMark(vmId: string): string {
  return `ember-${vmId}`;
}

/** The VM's control socket: only its owner can enter the folder. */
export function monitorSocket(runtimeFolder: string, vmId: string): string {
  return join(runtimeFolder, `${vmId}.qmp`);
}

/** An argument that every VM's process has besides its mark. */
export const commonArgument = "-no-user-config";

/** QEMU's arguments for a VM, to be started in the VM's folder. Pure: reads nothing, changes nothing. */
export function qemuArguments(spec: VmSpec, host: HostFacts): string[] {
  const { model } = host;
  return [
    ...["-name", processMark(spec.vmId)],
    ...[commonArgument, "-nodefaults", "-no-reboot", "-display", "none"],
    ...(host.sandbox ? ["-sandbox", sandbox] : []),
    ...["-machine", model.machine, "-accel", model.accel, "-cpu", model.cpu],
    ...["-smp", option(`cpus=${spec.cpus}`, { sockets: 1, cores: spec.cpus, threads: 1 })],
    ...["-m", `size=${spec.memoryBytes}B`],
    ...["-rtc", "base=utc,clock=host"],
    ...["-kernel", spec.kernelPath, "-initrd", spec.initrdPath],
    ...["-append", kernelCommandLine(spec, model)],
    ...monitorArguments(monitorSocket(spec.runtimeFolder, spec.vmId)),
    ...["-chardev", option("file", { id: "console", path: spec.consoleLog }), "-serial", "chardev:console"],
    ...deviceArguments(spec.drives, spec.nic, model, host.lockFiles),
  ];
}

const sandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

function monitorArguments(path: string): string[] {
  const socket = option("socket", { id: "monitor", path, server: "on", wait: "off" });
  return ["-chardev", socket, "-mon", "chardev=monitor,mode=control"];
}

/** The kernel takes the last of two arguments that contradict each other, so the user's come last. */
function kernelCommandLine(spec: VmSpec, model: MachineModel): string {
  return [...model.kernelArguments, spec.bootArguments.trim()].filter((part) => part !== "").join(" ");
}
