import { existsSync, readFileSync, realpathSync, symlinkSync } from "node:fs";
import { totalmem } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../../errors/ember-error.ts";
import { killGroup } from "../../host/contain.ts";
import { type DetachedProcess, startDetached } from "../../host/detached.ts";
import { ensurePrivateFolder } from "../../host/files.ts";
import { identify, type ProcessIdentity } from "../../host/process-identity.ts";
import { findTool } from "../../host/tools.ts";
import { agentGuestPort } from "../../network/agent-port.ts";
import { readHead, readTail } from "../file-parts.ts";
import type { StartedMachine, VmSpec } from "../hypervisor.ts";
import { lastLines, plainText } from "../plain-text.ts";
import { refuseRunning } from "../vm-process.ts";
import { FirecrackerApi } from "./api.ts";
import { configure } from "./configure.ts";
import { clearPlaces, makeJail, placeBeside } from "./jail.ts";
import { fileNames, jailBase, processMark, shortcut } from "./places.ts";
import { findMachine, killMachine } from "./process.ts";

/** From the process's start until its control socket answers. */
const startTimeoutMs = 30_000;

/** The longest path of a socket on Linux, without its ending zero. */
const longestSocketPath = 107;

/** See `Hypervisor.start`. */
export async function startMachine(
  spec: VmSpec,
  confined: boolean,
  signal: AbortSignal | undefined,
): Promise<StartedMachine> {
  checkAborted(signal);
  checkSpec(spec);
  const { vmId, folder, runtimeFolder } = spec;
  refuseRunning(findMachine(vmId, folder, runtimeFolder));
  ensurePrivateFolder(runtimeFolder);
  await clearPlaces(vmId, folder, runtimeFolder);
  let child: DetachedProcess | undefined;
  try {
    const root = confined ? await makeJail(spec, userOf(spec), findTool("firecracker")) : placeBeside(spec);
    symlinkSync(root, shortcut(runtimeFolder, vmId));
    child = confined ? await startJailed(spec) : await startDirectly(spec);
    const api = new FirecrackerApi(join(shortcut(runtimeFolder, vmId), fileNames.api), signal);
    const { pid } = child;
    const processNow = (): ProcessIdentity | undefined => (confined ? jailedProcess(root) : identify(pid));
    await waitForApi(spec, child, api, processNow, signal);
    const identity = processNow();
    if (identity === undefined) throw ended(spec, "it has ended");
    await configure(api, spec).catch((error: unknown) => {
      throw identify(identity.pid) === undefined ? ended(spec, "it ended while it was set up") : error;
    });
    const path = join(shortcut(runtimeFolder, vmId), fileNames.vsock);
    return {
      vmId,
      folder,
      runtimeFolder,
      process: identity,
      agent: { kind: "vsock-uds", path, port: agentGuestPort },
    };
  } catch (error) {
    if (child !== undefined) {
      // The group holds all that it has started, also what is between two programs and so cannot be found just now.
      killGroup(child.pid);
      await child.ended;
    }
    for (let left = findMachine(vmId, folder, runtimeFolder); left !== undefined; ) {
      await killMachine(left);
      left = findMachine(vmId, folder, runtimeFolder);
    }
    await clearPlaces(vmId, folder, runtimeFolder);
    throw error;
  }
}

function checkSpec(spec: VmSpec): void {
  if (spec.accelerator !== "kvm")
    throw new EmberError("host-unsupported", "Firecracker runs guests by hardware only", {
      hint: "use QEMU",
    });
  const socket = join(shortcut(spec.runtimeFolder, spec.vmId), fileNames.api);
  if (Buffer.byteLength(socket) > longestSocketPath) {
    throw new EmberError("host-unsupported", `'${socket}' is too long for a socket's path`, {
      hint: "set XDG_RUNTIME_DIR to a short folder",
    });
  }
  if (spec.memoryBytes > totalmem()) {
    throw new EmberError("host-unsupported", "this host does not have the memory that the VM is to have", {
      hint: "give the VM less with --memory",
    });
  }
  for (const path of [spec.initrdPath, ...spec.drives.map((drive) => drive.path)])
    if (!existsSync(path))
      throw new EmberError("hypervisor-failed", `there is no '${path}', which the VM needs`);
  if (!existsSync(spec.kernelPath))
    throw new EmberError("kernel-not-found", `there is no kernel '${spec.kernelPath}'`, {
      hint: "see 'ember kernel list'",
    });
  const isX64 = process.arch === "x64";
  const magic = readHead(spec.kernelPath, 64)?.toString("latin1") ?? "";
  if (isX64 ? magic.startsWith("\x7fELF") : magic.slice(56, 60) === "ARM\x64") return;
  throw new EmberError("kernel-invalid", `'${spec.kernelPath}' is not what Firecracker boots`, {
    hint: isX64 ? "it wants an uncompressed vmlinux" : "it wants an uncompressed Image",
  });
}

function userOf(spec: VmSpec): number {
  if (spec.userId === undefined) throw new EmberError("internal", "a jailed VM needs a user of its own");
  return spec.userId;
}

function startDirectly(spec: VmSpec): Promise<DetachedProcess> {
  return startDetached("firecracker", firecrackerArguments(spec, true), {
    cwd: spec.folder,
    logPath: resolve(spec.folder, spec.consoleLog),
    controlGroup: spec.controlGroup,
  });
}

/** The jailer gives up root, and the host's view of files, processes and devices, before Firecracker begins (jailer.md). */
function startJailed(spec: VmSpec): Promise<DetachedProcess> {
  const userId = String(userOf(spec));
  const args = [
    ...["--id", processMark(spec.vmId), "--exec-file", realpathSync(findTool("firecracker"))],
    ...["--uid", userId, "--gid", userId, "--chroot-base-dir", jailBase(spec.folder)],
    ...["--cgroup-version", "2", "--new-pid-ns", "--", ...firecrackerArguments(spec, false)],
  ];
  return startDetached("jailer", args, {
    cwd: spec.folder,
    logPath: resolve(spec.folder, spec.consoleLog),
    controlGroup: spec.controlGroup,
  });
}

/** The jailer adds the id itself. The guest's console is the process's output, so its own log goes elsewhere. */
function firecrackerArguments(spec: VmSpec, withId: boolean): string[] {
  const id = withId ? ["--id", processMark(spec.vmId)] : [];
  return [...id, "--api-sock", fileNames.api, "--log-path", fileNames.log, "--level", "Warning"];
}

/** The jailer leaves when it has started Firecracker, and writes down before which process that is. */
function jailedProcess(root: string): ProcessIdentity | undefined {
  const program = root.split("/").at(-3) ?? "firecracker";
  const file = join(root, `${program}.pid`);
  const pid = existsSync(file) ? Number(readFileSync(file, "utf8")) : Number.NaN;
  return Number.isInteger(pid) ? identify(pid) : undefined;
}

async function waitForApi(
  spec: VmSpec,
  child: DetachedProcess,
  api: FirecrackerApi,
  processNow: () => ProcessIdentity | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const socket = join(shortcut(spec.runtimeFolder, spec.vmId), fileNames.api);
  const deadline = Date.now() + startTimeoutMs;
  let hasFailed = false;
  let hasEnded = false;
  void child.ended.then((status) => {
    hasEnded = true;
    hasFailed = status !== 0;
  });
  while (Date.now() < deadline) {
    checkAborted(signal);
    if (hasFailed) throw ended(spec, `it ended with ${await child.ended}`);
    if (existsSync(socket) && (await answers(api))) return;
    if (hasEnded && processNow() === undefined) throw ended(spec, "it ended at once");
    await sleep(2);
  }
  throw new EmberError("hypervisor-failed", `the hypervisor was not ready within ${startTimeoutMs / 1000} s`);
}

/** The socket is there a moment before it is listened at. */
async function answers(api: FirecrackerApi): Promise<boolean> {
  try {
    await api.state();
    return true;
  } catch (error) {
    if (error instanceof EmberError && error.code === "interrupted") throw error;
    return false;
  }
}

function ended(spec: VmSpec, how: string): EmberError {
  const texts = [
    join(shortcut(spec.runtimeFolder, spec.vmId), fileNames.log),
    join(spec.folder, spec.consoleLog),
  ];
  const said = texts.map((path) => readTail(path, 4096)?.toString("utf8") ?? "").join("\n");
  const tail = lastLines(plainText(said), 4).join("; ");
  return new EmberError(
    "hypervisor-failed",
    `Firecracker did not start: ${how}${tail === "" ? "" : `: ${tail}`}`,
    {
      hint: "see 'ember doctor'",
    },
  );
}

function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new EmberError("interrupted", "the start of the hypervisor was interrupted");
}
