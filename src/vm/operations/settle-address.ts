import type { Installation } from "../../installation.ts";
import { formatAddress4, parseNetwork4, sizeOf } from "../../network/ipv4.ts";
import { setVmBlock, type VmRecord } from "../../state/vms.ts";
import { freeBlock } from "../addresses.ts";

/**
 * Where VMs share a network with other machines: post-condition: the VM's address is in that network as it is now, and
 * nobody else has it as far as the host knows. The user is told when that takes another address. Throws
 * `addresses-exhausted`.
 */
export async function settleAddress(installation: Installation, vm: VmRecord): Promise<VmRecord> {
  const { capabilities, surroundings } = await installation.network();
  if (surroundings === undefined || vm.networkMode === "none") return vm;
  const { subnet: text, holders } = await surroundings();
  const subnet = parseNetwork4(text);
  const holder = holders.get(vm.blockBase) ?? vm.mac;
  const isInside = vm.blockBase >= subnet.base && vm.blockBase < subnet.base + sizeOf(subnet.prefix);
  if (isInside && holder === vm.mac) return vm;
  const { blockPrefix } = capabilities;
  const blockBase = installation.db.transaction(() => {
    const base = freeBlock(installation.db, subnet, capabilities, holders);
    setVmBlock(installation.db, vm.id, { blockBase: base, blockPrefix });
    return base;
  });
  const why = isInside ? `another machine (${holder}) has that` : `the host's network for VMs is ${text} now`;
  installation.notice(
    `VM '${vm.name}' moves from ${formatAddress4(vm.blockBase)} to ${formatAddress4(blockBase)}: ${why}`,
  );
  return { ...vm, blockBase, blockPrefix };
}
