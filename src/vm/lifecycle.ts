import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../errors/ember-error.ts";
import { isAlive } from "../host/process-identity.ts";
import type { Installation } from "../installation.ts";
import { ensureKernel } from "../kernel/ensure.ts";
import { recordEvent } from "../state/events.ts";
import { getVm, setVmSizes, setVmStatus, type VmRecord } from "../state/vms.ts";
import type { HostPort, PortMapping, StopVmOptions, TaskOptions, UpdateVmOptions } from "../types.ts";
import { withAgent } from "./agent.ts";
import { recordBootFailure } from "./boot.ts";
import { checkResources } from "./limits.ts";
import { startData, startOperation } from "./operations/start.ts";
import { stopOperation } from "./operations/stop.ts";
import { refuseTakenPorts } from "./ports.ts";
import { checkRoot, imageOf } from "./root.ts";
import { tellSiblings } from "./siblings.ts";
import { machineOf, requireAlive, requireHalted, statusOf } from "./status.ts";

/** Default time a guest may take to power off. */
const stopLimitMs = 30_000;

/** Post-condition: the VM runs and its agent answers. A VM that runs already is left as it is. */
export async function startVm(
  installation: Installation,
  name: string,
  options: TaskOptions = {},
): Promise<void> {
  await changing(installation, name, "start", options, async (vm) => {
    const status = statusOf(vm);
    if (status === "running") return;
    if (status === "paused") {
      throw new EmberError("wrong-state", `VM '${name}' is paused`, {
        hint: `let it go on with 'ember vm resume ${name}'`,
      });
    }
    refuseTakenPorts(installation, vm);
    checkRoot(installation, vm.kernel, imageOf(installation, vm).fileSystem);
    if (vm.runtime !== null) await halt(installation, vm);
    options.onProgress?.({ step: "booting" });
    try {
      await installation.journal.execute(
        startOperation,
        [`vm:${name}`],
        installation,
        startData(vm),
        options.signal,
      );
    } catch (error) {
      recordBootFailure(installation, vm.id, error);
      throw error;
    }
  });
  await tellSiblings(installation, options); // others may have come or gone while it booted
}

/** Post-condition: the VM has no process. The guest is asked to power off, and killed when it does not in time. */
export async function stopVm(
  installation: Installation,
  name: string,
  options: StopVmOptions & TaskOptions = {},
): Promise<void> {
  await changing(installation, name, "stop", options, async (vm) => {
    const status = statusOf(vm);
    if (vm.runtime === null) return;
    options.onProgress?.({ step: "waiting for the guest to power off" });
    if (options.force !== true && (status === "running" || status === "paused")) {
      await powerOff(installation, vm, options.timeoutMs ?? stopLimitMs, options.signal);
    }
    await halt(installation, vm);
  });
}

export async function restartVm(
  installation: Installation,
  name: string,
  options: StopVmOptions & TaskOptions = {},
): Promise<void> {
  await stopVm(installation, name, options);
  await startVm(installation, name, options);
}

export async function pauseVm(installation: Installation, name: string): Promise<void> {
  await changing(installation, name, "pause", {}, async (vm) => {
    const runtime = requireAlive(vm);
    await (await installation.hypervisor()).pause(machineOf(installation, vm, runtime));
    setVmStatus(installation.db, vm.id, "paused");
    if (statusOf(vm) !== "paused") recordEvent(installation.db, "vm.paused", name);
  });
}

export async function resumeVm(installation: Installation, name: string): Promise<void> {
  await changing(installation, name, "resume", {}, async (vm) => {
    const runtime = requireAlive(vm);
    await (await installation.hypervisor()).resume(machineOf(installation, vm, runtime));
    setVmStatus(installation.db, vm.id, "running");
    if (statusOf(vm) === "paused") recordEvent(installation.db, "vm.resumed", name);
  });
  await tellSiblings(installation);
}

export async function updateVm(
  installation: Installation,
  name: string,
  options: UpdateVmOptions,
): Promise<void> {
  await changing(installation, name, "update", {}, async (vm) => {
    const { networkChangeOf, changeNetwork } = await import("./network-change.ts");
    const resized = [options.cpus, options.memoryBytes, options.kernel].some((each) => each !== undefined);
    if (resized) requireHalted(vm, "changing its processors, memory or kernel");
    const change = await networkChangeOf(installation, vm, options);
    if (change !== undefined) await changeNetwork(installation, vm, change, "vm.policy-changed");
    if (!resized) return;
    const sizes = { cpus: options.cpus ?? vm.cpus, memoryBytes: options.memoryBytes ?? vm.memoryBytes };
    checkResources(sizes, (await installation.hypervisor()).capabilities());
    const kernel =
      options.kernel === undefined ? vm.kernel : await ensureKernel(installation, options.kernel, {});
    if (kernel !== vm.kernel) checkRoot(installation, kernel, imageOf(installation, vm).fileSystem);
    setVmSizes(installation.db, vm.id, { ...sizes, kernel });
    recordEvent(installation.db, "vm.updated", name, { ...sizes, kernel });
  });
}

/** What the VM publishes from then on: those ports besides what it has. */
export async function publishVm(
  installation: Installation,
  name: string,
  ports: readonly PortMapping[],
): Promise<readonly PortMapping[]> {
  const { publishPorts } = await import("./publish.ts");
  return await changing(installation, name, "publish", {}, (vm) => publishPorts(installation, vm, ports));
}

/** What the VM publishes from then on: all but those ports. */
export async function unpublishVm(
  installation: Installation,
  name: string,
  ports: readonly HostPort[],
): Promise<readonly PortMapping[]> {
  const { unpublishPorts } = await import("./publish.ts");
  return await changing(installation, name, "unpublish", {}, (vm) => unpublishPorts(installation, vm, ports));
}

/** Runs `body` on the VM as it is now, while this process alone may change it. */
async function changing<T>(
  installation: Installation,
  name: string,
  verb: string,
  options: { readonly signal?: AbortSignal },
  body: (vm: VmRecord) => Promise<T>,
): Promise<T> {
  getVm(installation.db, name); // an unknown name is refused before anything is waited for
  return await installation.holding(
    [`vm:${name}`],
    `ember vm ${verb} ${name}`,
    () => body(getVm(installation.db, name)),
    { signal: options.signal },
  );
}

async function halt(installation: Installation, vm: VmRecord): Promise<void> {
  await installation.journal.execute(stopOperation, [`vm:${vm.name}`], installation, {
    vmId: vm.id,
    name: vm.name,
  });
}

/**
 * Asks the guest to power off: through the agent, else by the power button. Post-condition: its process is gone,
 * or the time is up. Throws `interrupted`, and then the guest goes on with what it was told.
 */
async function powerOff(
  installation: Installation,
  vm: VmRecord,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const runtime = requireAlive(vm);
  const machine = machineOf(installation, vm, runtime);
  const hypervisor = await installation.hypervisor();
  await hypervisor.resume(machine); // a paused guest can do nothing
  setVmStatus(installation.db, vm.id, "running");
  const deadline = performance.now() + timeoutMs;
  try {
    const { openControl } = await import("../guest/control.ts");
    const running: VmRecord = { ...vm, status: "running" };
    await withAgent(
      installation,
      running,
      { user: "root", timeoutMs: Math.min(timeoutMs, 10_000), signal },
      async (agent) => {
        await using control = await openControl(agent);
        // The guest forces itself down before its time is up here: better than being killed.
        await control.shutdown({ timeoutMs: Math.round(timeoutMs * 0.7) });
      },
    );
  } catch (error) {
    if (signal?.aborted === true) throw error;
    installation.verbose(
      `the agent of '${vm.name}' was not reached: ${error instanceof Error ? error.message : error}`,
    );
    await hypervisor.pressPowerButton(machine).catch(() => undefined); // gone already, or killed below
  }
  while (isAlive(runtime.process) && performance.now() < deadline) {
    await sleep(10, undefined, { signal }).catch(() => {
      throw new EmberError("interrupted", `interrupted; VM '${vm.name}' has been told to power off`);
    });
  }
}
