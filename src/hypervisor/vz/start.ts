import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../../errors/ember-error.ts";
import { type DetachedProcess, startDetached } from "../../host/detached.ts";
import { ensurePrivateFolder } from "../../host/files.ts";
import { identify } from "../../host/process-identity.ts";
import { agentGuestPort } from "../../network/agent-port.ts";
import { readHead, readTail } from "../file-parts.ts";
import { checkSocketPath } from "../frame-socket.ts";
import type { StartedMachine, VmSpec } from "../hypervisor.ts";
import { lastLines, plainText } from "../plain-text.ts";
import { refuseRunning } from "../vm-process.ts";
import { vzArguments } from "./arguments.ts";
import { fileNames, vsockSocket } from "./places.ts";
import { findMachine, killMachine, removeSockets } from "./process.ts";
import { failureOf, parseReport } from "./report.ts";

const startTimeoutMs = 60_000;
const reportLimit = 16_384;

/** See `Hypervisor.start`. */
export async function startMachine(spec: VmSpec, signal: AbortSignal | undefined): Promise<StartedMachine> {
  checkAborted(signal);
  checkSpec(spec);
  const { vmId, folder, runtimeFolder } = spec;
  refuseRunning(findMachine(vmId, folder, runtimeFolder));
  ensurePrivateFolder(runtimeFolder);
  removeSockets(runtimeFolder, vmId);
  const child = await startDetached("ember-vz", vzArguments(spec), {
    cwd: folder,
    logPath: resolve(folder, fileNames.log),
    reportPath: resolve(folder, fileNames.report),
  });
  const identity = identify(child.pid);
  try {
    await untilRunning(spec, child, signal);
    if (identity === undefined) throw new EmberError("hypervisor-failed", "the hypervisor ended at once");
  } catch (error) {
    if (identity !== undefined) await killMachine({ vmId, folder, runtimeFolder, process: identity });
    removeSockets(runtimeFolder, vmId);
    throw error;
  }
  const agent = { kind: "vsock-uds", path: vsockSocket(runtimeFolder, vmId), port: agentGuestPort } as const;
  return { vmId, folder, runtimeFolder, process: identity, agent };
}

function checkSpec(spec: VmSpec): void {
  checkSocketPath(vsockSocket(spec.runtimeFolder, spec.vmId), "set TMPDIR to a short folder");
  if (readHead(spec.kernelPath, 1) === undefined) {
    throw new EmberError("kernel-not-found", `there is no kernel '${spec.kernelPath}'`, {
      hint: "see 'ember kernel list'",
    });
  }
}

/** Post-condition: the machine runs. Throws what it says of itself, `hypervisor-failed`, `interrupted`. */
async function untilRunning(
  spec: VmSpec,
  child: DetachedProcess,
  signal: AbortSignal | undefined,
): Promise<void> {
  const path = resolve(spec.folder, fileNames.report);
  const deadline = Date.now() + startTimeoutMs;
  let hasEnded = false;
  void child.ended.then(() => {
    hasEnded = true;
  });
  while (Date.now() < deadline) {
    checkAborted(signal);
    const wasOver = hasEnded; // then nothing is written after what is read now
    const line = readHead(path, reportLimit)?.toString("utf8") ?? "";
    if (line.includes("\n")) return checkReport(spec, line);
    if (wasOver) throw silent(spec);
    await sleep(4);
  }
  throw new EmberError("hypervisor-failed", `the hypervisor was not ready within ${startTimeoutMs / 1000} s`);
}

function checkReport(spec: VmSpec, line: string): void {
  const report = parseReport(line);
  if (report === undefined) throw silent(spec);
  if (report.state !== "running") throw failureOf(report);
}

/** It ended without a report, or with none that is understood. */
function silent(spec: VmSpec): EmberError {
  const log = readTail(resolve(spec.folder, fileNames.log), 4096)?.toString("utf8") ?? "";
  const said = lastLines(plainText(log), 4).join("; ");
  return new EmberError("hypervisor-failed", `ember-vz did not start${said === "" ? "" : `: ${said}`}`, {
    hint: "see 'ember doctor'",
  });
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new EmberError("interrupted", "the start of the hypervisor was interrupted");
}
