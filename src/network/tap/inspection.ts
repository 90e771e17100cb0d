import { wantsInspection } from "../inspector.ts";
import type { VmNetwork } from "../network.ts";
import { inspectedTaps, replaceGuest } from "./firewall.ts";
import { guestOf, type TapContext, withInspection } from "./guest.ts";
import type { NetworkNames } from "./names.ts";

/** Whether the firewall redirects the connections of that VM. */
export async function isInspected(context: TapContext, names: NetworkNames, vmId: string): Promise<boolean> {
  if (!(await context.inspector()).inUse()) return false;
  return (await inspectedTaps(names)).includes(names.tap(vmId));
}

/** See `Network.revive`. The sockets of an inspector that is gone were its own: the firewall learns where the new ones are. */
export async function revive(
  context: TapContext,
  names: NetworkNames,
  vms: readonly VmNetwork[],
): Promise<boolean> {
  const inspector = await context.inspector();
  if (!inspector.inUse() && !vms.some(wantsInspection)) return false;
  const redirected = inspector.inUse() ? await inspectedTaps(names) : [];
  const inspected = vms.filter((vm) => wantsInspection(vm) || redirected.includes(names.tap(vm.vmId)));
  const lost = await inspector.forgotten(inspected.map(({ vmId }) => vmId));
  for (const vm of inspected.filter(({ vmId }) => lost.includes(vmId))) {
    const guest = await guestOf(context, names, vm);
    await replaceGuest(names, context, await withInspection(context, vm, guest));
  }
  return lost.length > 0;
}
