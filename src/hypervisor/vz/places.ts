import { join } from "node:path";

/** The whole argument by which a VM's process is found again. */
export function processMark(vmId: string): string {
  return `ember-${vmId}`;
}

export function controlSocket(runtimeFolder: string, vmId: string): string {
  return join(runtimeFolder, `${vmId}.vz`);
}

/** Leads to the guest's vsock ports. */
export function vsockSocket(runtimeFolder: string, vmId: string): string {
  return join(runtimeFolder, `${vmId}.vsock`);
}

/** In the VM's folder: what ember-vz prints, how its start went, and who the machine is to its guest. */
export const fileNames = { log: "ember-vz.log", report: "ember-vz.report", machineId: "machine-id" } as const;
