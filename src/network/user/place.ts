import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { checkSocketPath, frameSocket } from "../../hypervisor/frame-socket.ts";
import { agentGuestPort } from "../agent-port.ts";
import type { Attachment, NetworkContext, VmNetwork } from "../network.ts";
import { type Addresses, addressesIn, addressesIn6, hostHasIpv6, prefix6 } from "./addresses.ts";
import { agentSocket, answersFile } from "./paths.ts";
import type { AttachedVm } from "./protocol.ts";

/** The domain that the resolver answers for. */
const domain = "ember.internal";

/**
 * What guests are told. A stream takes frames of any length, and few long ones cost much less than many short ones;
 * Apple's framework takes 1500 unless it is told otherwise.
 */
const mtus = { stream: 65_520, datagram: 1_500 } as const;

/** A VM's part in the network, as the hypervisor, the guest and ember-net are told of it. */
export interface Place {
  readonly attachment: Attachment;
  readonly vm: AttachedVm;
}

/** Pure but for whether the host has IPv6. Throws `host-unsupported`, `internal`. */
export function placeOf(context: NetworkContext, vm: VmNetwork): Place {
  const { frames } = vm;
  if (frames === undefined)
    throw new EmberError("internal", "the hypervisor has no frames for the user network");
  const path = frameSocket(context.runtimeFolder, vm.vmId);
  const agentPath = agentSocket(context, vm.vmId);
  for (const socket of [path, agentPath])
    checkSocketPath(socket, "set XDG_RUNTIME_DIR (on macOS TMPDIR) to a short folder");
  const connected = vm.mode !== "none";
  const mtu = mtus[frames];
  const own = addressesIn(vm.block);
  const own6 = connected && hostHasIpv6() ? addressesIn6(context.installationId, vm.block) : undefined;
  const prefix = Number(vm.block.split("/")[1]);
  return {
    attachment: {
      nic: { kind: "socket", mac: vm.mac, mtu, path },
      guest: {
        mac: vm.mac,
        address: `${own.address}/${prefix}`,
        gateway: connected ? own.gateway : null,
        ...(own6 === undefined ? {} : { address6: `${own6.address}/${prefix6}`, gateway6: own6.gateway }),
        resolvers: connected ? [own.resolver] : [],
        mtu,
        searchDomains: connected ? [domain] : [],
      },
      agent: { kind: "vsock-uds", path: agentPath, port: agentGuestPort },
    },
    vm: {
      ...{ id: vm.vmId, name: vm.name, mac: vm.mac, ...own, prefix, ...sixOf(own6), mtu },
      link: { kind: frames, path },
      agent: { path: agentPath },
      connected,
      ports: connected ? vm.ports : [],
      policy: vm.policy,
      secrets: vm.secrets,
      authority: vm.authority,
      flowRecord: flowRecord(context, vm.vmId),
      answers: answersFile(context, vm.vmId),
    },
  };
}

function sixOf(own: Addresses | undefined): Pick<AttachedVm, "address6" | "gateway6" | "resolver6"> {
  return {
    address6: own?.address ?? "",
    gateway6: own?.gateway ?? "",
    resolver6: own?.resolver ?? "",
  };
}

/** Kept by ember-net, for as long as the VM exists. */
export function flowRecord(context: NetworkContext, vmId: string): string {
  return join(context.vmFolder(vmId), "flows.json");
}
