import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import { isAlive } from "../host/process-identity.ts";
import type { Installation } from "../installation.ts";
import { setVmHalted, type VmRecord } from "../state/vms.ts";
import { agentTarget } from "./agent.ts";
import { keepNetwork } from "./revival.ts";
import { requireAlive } from "./status.ts";

/** How long a guest may take to its agent: with hardware virtualisation, and emulated on a busy host. */
const bootLimitMs = { kvm: 60_000, hvf: 60_000, tcg: 180_000 } as const;

/**
 * Waits until the VM's agent answers and has the host's time. Throws `boot-failed` saying how far the guest came,
 * `interrupted`.
 */
export async function awaitAgent(
  installation: Installation,
  vm: VmRecord,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { waitForAgent } = await import("../guest/ready.ts");
  const runtime = requireAlive(vm);
  const consolePath = join(installation.paths.vmFolder(vm.id), "console.log");
  try {
    await waitForAgent(agentTarget(installation, vm, "root"), {
      vmId: vm.id,
      timeoutMs: bootLimitMs[runtime.accelerator],
      signal,
      isAlive: () => isAlive(runtime.process),
      afterSilence: () => keepNetwork(installation),
      consolePath,
    });
  } catch (error) {
    if (signal?.aborted === true || (error instanceof EmberError && error.code === "interrupted"))
      throw error;
    if (hasRunItsCourse(vm, consolePath)) return;
    throw await bootFailure(vm, consolePath, error);
  }
}

/** A VM that ends with its command may be gone before anybody could ask its agent: it did boot all the same. */
function hasRunItsCourse(vm: VmRecord, consolePath: string): boolean {
  if (vm.onExit !== "poweroff") return false;
  const text = readConsole(consolePath);
  const ready = text.indexOf(`ember-guest: ready ${vm.id}`);
  return ready !== -1 && text.includes("ember-guest: process exited ");
}

async function bootFailure(vm: VmRecord, consolePath: string, cause: unknown): Promise<EmberError> {
  const { explainBoot } = await import("../hypervisor/boot-failure.ts");
  const { detail } = explainBoot(readConsole(consolePath));
  return new EmberError("boot-failed", `VM '${vm.name}' did not boot: ${detail}`, {
    hint: `see all it printed with 'ember vm logs ${vm.name} --console'`,
    cause,
  });
}

function readConsole(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the hypervisor made none
  }
}

/** Post-condition: the VM shows as failed, with the reason. For a VM that is kept although it did not boot. */
export function recordBootFailure(installation: Installation, vmId: string, error: unknown): void {
  if (error instanceof EmberError && error.code === "boot-failed")
    setVmHalted(installation.db, vmId, "failed", error.message);
}
