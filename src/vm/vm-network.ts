import type { Installation } from "../installation.ts";
import { formatNetwork4 } from "../network/ipv4.ts";
import type { VmNetwork } from "../network/network.ts";
import type { VmRecord } from "../state/vms.ts";
import { readSecrets } from "./secrets.ts";
import { userIdOf } from "./users.ts";

/** A VM's place on the network, as drivers are told of it. Throws what `userIdOf` throws. */
export async function networkOf(installation: Installation, vm: VmRecord): Promise<VmNetwork> {
  const hypervisor = await installation.hypervisor();
  const stored = readSecrets(installation, vm.id);
  return {
    vmId: vm.id,
    name: vm.name,
    mode: vm.networkMode,
    mac: vm.mac,
    block: formatNetwork4({ base: vm.blockBase, prefix: vm.blockPrefix }),
    ports: vm.ports,
    policy: vm.policy,
    secrets: stored?.secrets ?? [],
    authority: stored?.authority ?? null,
    frames: hypervisor.capabilities().frames,
    userId: userIdOf(installation, vm, hypervisor),
  };
}
