import { setTimeout } from "node:timers/promises";
import { EmberError } from "../../errors/ember-error.ts";
import type { VmNetwork } from "../network.ts";
import type { UserContext } from "./context.ts";
import { NetworkGone } from "./control.ts";
import { placeOf } from "./place.ts";
import { type Connected, configured, ensureNetwork, findNetwork } from "./process.ts";
import { done, protocolVersion, status } from "./protocol.ts";

/** See `Network.revive`. */
export async function revive(context: UserContext, vms: readonly VmNetwork[]): Promise<boolean> {
  const ids = vms.map((vm) => vm.vmId);
  if ((await forgotten(context, ids)).length === 0) return false;
  using network = await ensureNetwork(context);
  // What another command has revived meanwhile is left as it is.
  const missing = await missingOf(network, ids);
  const lost = vms.filter((vm) => missing.includes(vm.vmId));
  if (lost.length > 0) await configured(context, network);
  for (const vm of lost) await attachAgain(context, network, vm);
  await linked(network, lost);
  return lost.length > 0;
}

/** Hypervisors look for it a few times a second. */
const linkTimeoutMs = 2000;
const linkPollMs = 20;

/** Until the machines of `vms` are at their cables again, and what is sent to them or by them arrives; not for ever. */
async function linked({ control }: Connected, vms: readonly VmNetwork[]): Promise<void> {
  const ids = new Set(vms.filter((vm) => vm.mode !== "none").map((vm) => vm.vmId));
  const deadline = performance.now() + linkTimeoutMs;
  while (performance.now() < deadline) {
    const now = await control.ask({ op: "status" }, status);
    if (now.vms.every((vm) => vm.linked || !ids.has(vm.id))) return;
    await setTimeout(linkPollMs);
  }
}

/** Those of the VMs that ember-net does not know: all, when it does not run or is of another version. */
export async function forgotten(context: UserContext, vmIds: readonly string[]): Promise<readonly string[]> {
  using running = await findNetwork(context);
  if (running === undefined || running.hello.protocol !== protocolVersion) return vmIds;
  try {
    return await missingOf(running, vmIds);
  } catch (error) {
    if (error instanceof NetworkGone) return vmIds;
    throw error;
  }
}

async function missingOf({ control }: Connected, vmIds: readonly string[]): Promise<readonly string[]> {
  const known = new Set((await control.ask({ op: "status" }, status)).vms.map((vm) => vm.id));
  return vmIds.filter((id) => !known.has(id));
}

/** With its ports, or without them when somebody has taken one meanwhile: the rest of its network matters more. */
async function attachAgain(context: UserContext, { control }: Connected, lost: VmNetwork): Promise<void> {
  const { vm } = placeOf(context, lost);
  try {
    await control.ask({ op: "attach", vm }, done);
  } catch (error) {
    if (!(error instanceof EmberError) || error.code !== "port-taken") throw error;
    await control.ask({ op: "attach", vm: { ...vm, ports: [] } }, done);
    context.notice(`VM '${lost.name}' has lost its published ports: ${error.message}`);
  }
}
