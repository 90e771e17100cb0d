import { closeSync, existsSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../../errors/ember-error.ts";
import { type DetachedProcess, startDetached } from "../../host/detached.ts";
import { ensurePrivateFolder } from "../../host/files.ts";
import { identify } from "../../host/process-identity.ts";
import { readTail } from "../file-parts.ts";
import { checkSocketPath } from "../frame-socket.ts";
import type { Machine, VmSpec } from "../hypervisor.ts";
import { refuseRunning } from "../vm-process.ts";
import { monitorSocket, qemuArguments } from "./arguments.ts";
import { startFailure } from "./failure.ts";
import { checkKernelFile } from "./kernel-file.ts";
import { type Architecture, architectures } from "./machine.ts";
import { findMachine, killMachine, removeSockets } from "./machine-process.ts";
import { guestRuns } from "./monitor.ts";
import { withQmp } from "./qmp.ts";

/** What QEMU itself prints, in the VM's folder. */
const logName = "hypervisor.log";

/** From the process's start until its control socket answers; the guest's boot is not part of it. */
const startTimeoutMs = 30_000;

export interface QemuHost {
  readonly architecture: Architecture;
  readonly sandbox: boolean;
  readonly lockFiles: boolean;
}

/** See `Hypervisor.start`. */
export async function startMachine(spec: VmSpec, host: QemuHost, signal?: AbortSignal): Promise<Machine> {
  checkAborted(signal);
  const { program, model } = architectures[host.architecture];
  const args = qemuArguments(spec, { ...host, model: model(spec.accelerator) });
  checkKernelFile(spec.kernelPath, host.architecture);
  prepareFiles(spec);
  const child = await startDetached(program, args, {
    cwd: spec.folder,
    logPath: resolve(spec.folder, logName),
    controlGroup: spec.controlGroup,
  });
  const identity = identify(child.pid);
  if (identity === undefined) throw await failureOf(spec, child);
  const { vmId, folder, runtimeFolder } = spec;
  const machine: Machine = { vmId, folder, runtimeFolder, process: identity };
  try {
    await waitUntilRunning(spec, child, signal);
    return machine;
  } catch (error) {
    await killMachine(machine);
    throw error;
  }
}

/** Makes the place for the sockets and the console's log, and clears what an earlier process left. */
function prepareFiles(spec: VmSpec): void {
  const socket = monitorSocket(spec.runtimeFolder, spec.vmId);
  checkSocketPath(socket, "set XDG_RUNTIME_DIR to a short folder");
  ensurePrivateFolder(spec.runtimeFolder);
  refuseRunning(findMachine(spec.vmId, spec.folder, spec.runtimeFolder));
  removeSockets(spec.runtimeFolder, spec.vmId);
  // Made here for its mode: QEMU would let everybody read it.
  closeSync(openSync(resolve(spec.folder, spec.consoleLog), "w", 0o600));
}

/**
 * Post-condition: QEMU has set up the whole machine and started its processors. Before that its control socket takes
 * connections, but answers nothing. Throws what `startFailure` finds, `hypervisor-failed`, `timeout`, `interrupted`.
 */
async function waitUntilRunning(spec: VmSpec, child: DetachedProcess, signal?: AbortSignal): Promise<void> {
  const socket = monitorSocket(spec.runtimeFolder, spec.vmId);
  const deadline = Date.now() + startTimeoutMs;
  let hasEnded = false;
  void child.ended.then(() => {
    hasEnded = true;
  });
  for (let left = startTimeoutMs; left > 0; left = deadline - Date.now()) {
    checkAborted(signal);
    if (hasEnded) throw await failureOf(spec, child);
    if (existsSync(socket) && (await answers(socket, left, signal))) return;
    await sleep(4);
  }
  throw new EmberError("hypervisor-failed", `the hypervisor was not ready within ${startTimeoutMs / 1000} s`);
}

async function answers(socket: string, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
  try {
    return await withQmp(socket, { timeoutMs, signal }, guestRuns);
  } catch (error) {
    if (error instanceof EmberError && error.code === "interrupted") throw error;
    return false; // it does not listen yet, or has just ended: the caller looks which
  }
}

async function failureOf(spec: VmSpec, child: DetachedProcess): Promise<EmberError> {
  const log = readTail(resolve(spec.folder, logName), 16_384)?.toString("utf8") ?? "";
  removeSockets(spec.runtimeFolder, spec.vmId);
  return startFailure(log, await child.ended);
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new EmberError("interrupted", "the start of the hypervisor was interrupted");
}
