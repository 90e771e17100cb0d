import { EmberError } from "../../errors/ember-error.ts";
import type { VmNetwork } from "../network.ts";
import type { UserContext } from "./context.ts";
import { NetworkGone } from "./control.ts";
import { placeOf } from "./place.ts";
import { type Connected, configured, ensureNetwork, findNetwork } from "./process.ts";
import { done, protocolVersion, status } from "./protocol.ts";

/** See `Network.revive`. */
export async function revive(context: UserContext, vms: readonly VmNetwork[]): Promise<boolean> {
  if ((await forgotten(context, vms)).length === 0) return false;
  using network = await ensureNetwork(context);
  // What another command has revived meanwhile is left as it is.
  const lost = await missingOf(network, vms);
  if (lost.length > 0) await configured(context, network);
  for (const vm of lost) await attachAgain(context, network, vm);
  return lost.length > 0;
}

async function forgotten(context: UserContext, vms: readonly VmNetwork[]): Promise<readonly VmNetwork[]> {
  using running = await findNetwork(context);
  if (running === undefined || running.hello.protocol !== protocolVersion) return vms;
  try {
    return await missingOf(running, vms);
  } catch (error) {
    if (error instanceof NetworkGone) return vms;
    throw error;
  }
}

async function missingOf({ control }: Connected, vms: readonly VmNetwork[]): Promise<readonly VmNetwork[]> {
  const known = new Set((await control.ask({ op: "status" }, status)).vms.map((vm) => vm.id));
  return vms.filter((vm) => !known.has(vm.vmId));
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
