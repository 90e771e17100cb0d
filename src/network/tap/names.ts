import { shortHash } from "../../host/random.ts";

/**
 * Names of an installation's network on the host. Interfaces have at most 15 characters (IFNAMSIZ): "e", four digits of
 * the installation's id, ten of the VM's. Firewall rules match all of an installation's by the first five.
 */
export interface NetworkNames {
  /** Of the nftables table, family inet; rules elsewhere have it as their comment. */
  readonly table: string;
  /** What all interfaces of the installation begin with. */
  readonly prefix: string;
  tap(vmId: string): string;
}

export function networkNames(installationId: string): NetworkNames {
  const prefix = `e${installationId.slice(0, 4)}`;
  return {
    table: `ember_${installationId}`,
    prefix,
    tap: (vmId) => `${prefix}${hexOf(vmId).slice(0, 10)}`,
  };
}

/** Ids are 12 hexadecimal digits; what is not is hashed, so that any id gives a name that the kernel takes. */
function hexOf(vmId: string): string {
  return /^[0-9a-f]{10,}$/.test(vmId) ? vmId : shortHash(vmId) + shortHash(`${vmId}.`);
}
