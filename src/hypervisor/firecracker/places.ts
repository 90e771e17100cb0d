import { basename, join } from "node:path";

/** The whole argument by which a VM's process is found again; Firecracker takes letters, digits and "-" as an id. */
export function processMark(vmId: string): string {
  return `ember-${vmId}`;
}

/** Names in the process's root or working folder. Relative, so that saved state fits wherever that folder lies. */
export const fileNames = {
  api: "api.sock",
  vsock: "v.sock",
  kernel: "kernel",
  initrd: "boot-initrd",
  log: "firecracker.log",
  metrics: "metrics",
  drive: (index: number): string => `disk${index}`,
} as const;

/** A short way to that folder: the path of a socket has at most 107 bytes, and a state folder's may be longer. */
export function shortcut(runtimeFolder: string, vmId: string): string {
  return join(runtimeFolder, `${vmId}.fc`);
}

/** Below the VM's folder: what the jailer is given as its base, and the root that it makes of it (jailer.md). */
export function jailBase(folder: string): string {
  return join(folder, "jail");
}

export function jailRoot(folder: string, program: string, vmId: string): string {
  return join(jailBase(folder), basename(program), processMark(vmId), "root");
}

/** What has to be put right again when the process has ended, written before it is done. */
export function recordPath(folder: string): string {
  return join(folder, "jail.json");
}
