import type { Hypervisor } from "../hypervisor/hypervisor.ts";
import type { Installation } from "../installation.ts";
import { userNumberOf, type VmRecord } from "../state/vms.ts";

/**
 * Beyond what distributions, containers (/etc/subuid) and systemd-nspawn (up to 0x6fffffff) give out, and within what
 * every program takes for a user: 4096 installations with 65,536 VMs each.
 */
const firstUserId = 0x7000_0000;
const perInstallation = 0x1_0000;

/**
 * The numeric user, and group, that the VM's hypervisor runs as, the same at every start; undefined when it runs as
 * whoever starts it. Throws `unsupported` when all numbers are taken.
 */
export function userIdOf(
  installation: Installation,
  vm: VmRecord,
  hypervisor: Hypervisor,
): number | undefined {
  if (hypervisor.capabilities().confinement?.confined !== true) return undefined;
  const share = Number.parseInt(installation.setting("installation-id").slice(0, 3), 16);
  return firstUserId + share * perInstallation + userNumberOf(installation.db, vm.id, perInstallation);
}
