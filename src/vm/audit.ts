import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { guestAddressOf } from "../network/addressing.ts";
import { formatAddress4 } from "../network/ipv4.ts";
import { learnPolicy } from "../policy/learn.ts";
import { readSetting, removeSetting, writeSetting } from "../state/settings.ts";
import { getVm, listVms } from "../state/vms.ts";
import type { HostName, HostResolver, NetworkAudit, NetworkFlow, NetworkStatus } from "../types.ts";
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
export async function hostResolver(installation: Installation): Promise<HostResolver> {
  const port = Number(readSetting(installation.db, "host-resolver-port") ?? 0);
  return { port: port === 0 ? null : port, names: await hostNames(installation) };
}

/**
 * Post-condition: the network answers this host's questions about the VMs at that port of the loopback, whenever VMs run; with null
 * nowhere. On error it is as it was. Throws `unsupported`, `port-taken`, `usage`.
 */
export async function answerHost(installation: Installation, port: number | null): Promise<HostResolver> {
  const network = await installation.network();
  if (port !== null && !(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    throw new EmberError("usage", `${port} is not a port`, { hint: "ports are 1 to 65535" });
  }
  if (port !== null && network.configure === undefined) {
    throw new EmberError("unsupported", `the ${network.name} network does not answer this host's questions`, {
      hint: "'ember net resolver' without a port prints lines for /etc/hosts",
    });
  }
  const before = readSetting(installation.db, "host-resolver-port");
  remember(installation, port === null ? undefined : `${port}`);
  try {
    await network.configure?.();
  } catch (error) {
    remember(installation, before);
    throw error;
  }
  return await hostResolver(installation);
}

function remember(installation: Installation, port: string | undefined): void {
  if (port === undefined) removeSetting(installation.db, "host-resolver-port");
  else writeSetting(installation.db, "host-resolver-port", port);
}

async function hostNames(installation: Installation): Promise<readonly HostName[]> {
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
