import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { guestAddressOf } from "../network/addressing.ts";
import { formatAddress4 } from "../network/ipv4.ts";
import { learnPolicy } from "../policy/learn.ts";
import { getVm, listVms } from "../state/vms.ts";
import type { HostName, NetworkAudit, NetworkFlow, NetworkStatus } from "../types.ts";
import { vmDomain } from "./siblings.ts";

/** What a VM reached and was refused, also of one that is stopped. Throws `vm-not-found`, `unsupported`. */
export async function auditVm(installation: Installation, name: string): Promise<NetworkAudit> {
  const vm = getVm(installation.db, name);
  const network = await installation.network();
  if (network.flows === undefined) throw keepsNoRecord(network.name);
  const flows = [...(await network.flows(vm.id))].sort(inOrder);
  return { vm: name, flows, learned: learnPolicy(flows) };
}

/** Post-condition: nothing is known of what the VM reached before. Throws as `auditVm` does. */
export async function forgetFlows(installation: Installation, name: string): Promise<void> {
  const vm = getVm(installation.db, name);
  const network = await installation.network();
  if (network.forgetFlows === undefined) throw keepsNoRecord(network.name);
  await network.forgetFlows(vm.id);
}

export async function networkStatus(installation: Installation): Promise<NetworkStatus> {
  const network = await installation.network();
  const status = (await network.status?.()) ?? { process: null, vms: [] };
  return { driver: network.name, ...status };
}

/**
 * Where this host can reach the VMs that have a network: at their addresses, or, where only published ports and `forward` lead to
 * them, at the loopback.
 */
export async function hostNames(installation: Installation): Promise<readonly HostName[]> {
  const { capabilities } = await installation.network();
  const direct = capabilities.names === "hosts" && capabilities.siblings;
  return listVms(installation.db)
    .filter(({ networkMode }) => networkMode === "default")
    .map(({ name, blockBase }) => ({
      name: `${name}.${vmDomain}`,
      address: direct ? formatAddress4(guestAddressOf(capabilities, blockBase)) : "127.0.0.1",
    }));
}

function keepsNoRecord(driver: string): EmberError {
  return new EmberError("unsupported", `the ${driver} network keeps no record of what VMs reach`, {
    hint: "use an installation with the user network ('ember init --network user')",
  });
}

function inOrder(a: NetworkFlow, b: NetworkFlow): number {
  const [one, other] = [a, b].map((flow) => [flow.name === "" ? 1 : 0, flow.name, flow.address] as const);
  if (one === undefined || other === undefined) return 0;
  return one[0] - other[0] || compare(one[1], other[1]) || compare(one[2], other[2]) || a.port - b.port;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
