import { existsSync } from "node:fs";
import { netProgram } from "#net-binary";
import { EmberError } from "../../errors/ember-error.ts";
import type { Cable, InspectionPorts, Inspector } from "../inspector.ts";
import type { NetworkContext, VmNetwork } from "../network.ts";
import { withNetwork } from "./attach.ts";
import type { UserContext } from "./context.ts";
import { answersFile, controlSocket } from "./paths.ts";
import { flowRecord } from "./place.ts";
import { configured } from "./process.ts";
import { type AttachedVm, done, redirects } from "./protocol.ts";

const recording = () => import("./flows.ts");

/** ember-net for VMs whose packets it does not carry: the firewall of another driver redirects connections to it. */
export function createInspector(
  installation: NetworkContext,
  program: UserContext["program"] = netProgram,
): Inspector {
  const context: UserContext = { ...installation, program };
  return {
    attach: (vm, cable) => attach(context, vm, cable),
    detach: async (vmId) => (await import("./attach.ts")).detach(context, vmId),
    forgotten: async (vmIds) => (await import("./revive.ts")).forgotten(context, vmIds),
    inUse: () => existsSync(controlSocket(context)),
    flows: async (vmId) => (await recording()).readFlows(context, vmId),
    forgetFlows: async (vmId) => (await recording()).removeFlows(context, vmId),
    status: async () => (await recording()).readStatus(context),
    close: async () => (await import("./attach.ts")).close(context),
  };
}

async function attach(context: UserContext, vm: VmNetwork, cable: Cable): Promise<InspectionPorts> {
  return await withNetwork(context, async (network) => {
    await configured(context, network);
    await network.control.ask({ op: "attach", vm: attached(context, vm, cable) }, done);
    const { vms } = await network.control.ask({ op: "status" }, redirects);
    const found = vms.find(({ id }) => id === vm.vmId)?.redirect;
    if (found !== undefined) return { tcp: found.tcpPort, dns: found.dnsPort };
    throw new EmberError("network-failed", `the network's process does not listen for VM '${vm.name}'`);
  });
}

function attached(context: UserContext, vm: VmNetwork, cable: Cable): AttachedVm {
  const { device, gateway, address, prefix } = cable;
  return {
    ...{ id: vm.vmId, name: vm.name, mac: vm.mac, address, prefix, gateway, resolver: gateway, mtu: 1500 },
    ...{ address6: "", gateway6: "", resolver6: "" },
    link: { kind: "redirect", device },
    agent: { path: "" },
    connected: true,
    ports: [],
    policy: vm.policy,
    secrets: vm.secrets,
    authority: vm.authority,
    flowRecord: flowRecord(context, vm.vmId),
    answers: answersFile(context, vm.vmId),
  };
}
