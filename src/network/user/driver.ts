import { netProgram } from "#net-binary";
import { EmberError } from "../../errors/ember-error.ts";
import type { Network, NetworkCapabilities, NetworkContext, NetworkProbe } from "../network.ts";
import type { UserContext } from "./context.ts";
import { blockPrefix, offsets } from "./offsets.ts";

const capabilities: NetworkCapabilities = {
  nic: "socket",
  blockPrefix,
  guestOffset: offsets.guest,
  gatewayOffset: offsets.gateway,
  siblings: true,
  names: "resolver",
  policies: "names",
  caveats: [
    "this host reaches guests by published ports, 'ember forward' and ssh, not at their own addresses",
    "a guest sees its gateway as the client of every published port, whoever that is",
  ],
};

// Loaded when called: a list of VMs needs the capabilities only.
const attaching = () => import("./attach.ts");
const recording = () => import("./flows.ts");

/**
 * A network in a process of the user's own, ember-net (net/): no root, and nothing on the host but that process, its sockets
 * and the published ports. It starts with the first VM, ends by itself after the last, and is started anew when it
 * is gone while VMs run (`revive`).
 */
export function createUserNetwork(
  installation: NetworkContext,
  program: UserContext["program"] = netProgram,
): Network {
  const context: UserContext = { ...installation, program };
  return {
    name: "user",
    capabilities,
    probe: async () => probe(context),
    attach: async (vm) => (await attaching()).attach(context, vm),
    detach: async (vmId) => (await attaching()).detach(context, vmId),
    close: async () => (await attaching()).close(context),
    publish: async (vm) => (await attaching()).publish(context, vm),
    applyPolicy: async (vm) => (await attaching()).applyPolicy(context, vm),
    flows: async (vmId) => (await recording()).readFlows(context, vmId),
    forgetFlows: async (vmId) => (await recording()).removeFlows(context, vmId),
    configure: async () => (await attaching()).reconfigure(context),
    revive: async (vms) => (await import("./revive.ts")).revive(context, vms),
    status: async () => (await recording()).readStatus(context),
  };
}

function probe({ program }: UserContext): NetworkProbe {
  try {
    program();
    return { usable: true, detail: "ember-net, a process of this user's own" };
  } catch (error) {
    if (!(error instanceof EmberError)) throw error;
    return { usable: false, reason: error.message, hint: error.hint ?? "see 'ember doctor'" };
  }
}
