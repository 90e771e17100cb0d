import { readNeighbours } from "../../host/arp.ts";
import { readLeases } from "../../host/dhcpd-leases.ts";
import { parseNetwork4 } from "../ipv4.ts";
import type { Surroundings } from "../network.ts";
import { currentSubnet } from "./subnet.ts";

/**
 * Who has which address of the network that all virtual machines of this host share: from the leases that macOS gave,
 * and from those who answered lately, which counts for more.
 */
export async function surroundings(notice: (line: string) => void): Promise<Surroundings> {
  const [subnet, neighbours] = await Promise.all([currentSubnet(), readNeighbours()]);
  const leases = readLeases(Date.now() / 1000);
  if (leases === undefined)
    notice("macOS's list of DHCP leases cannot be read, so an address may be given to two machines");
  const holders = new Map<number, string>();
  for (const { address, mac } of [...(leases ?? []), ...neighbours])
    holders.set(parseNetwork4(`${address}/32`).base, mac);
  return { subnet, holders };
}
