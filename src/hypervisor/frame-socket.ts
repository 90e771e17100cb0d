import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";

/** Where a VM's frames pass between its hypervisor and the network: only the owner can enter the folder. */
export function frameSocket(runtimeFolder: string, vmId: string): string {
  return join(runtimeFolder, `${vmId}.eth`);
}

/** The longest path of a socket, without its ending zero: 104 bytes on macOS, 108 on Linux. */
const longestSocketPath = 103;

/** Throws `host-unsupported` for a path that no socket can have. `hint` says how the folder is made shorter. */
export function checkSocketPath(path: string, hint: string): void {
  if (Buffer.byteLength(path) <= longestSocketPath) return;
  throw new EmberError("host-unsupported", `'${path}' is too long for a socket's path`, { hint });
}
