import { createSocket } from "node:dgram";
import { hostResolvers, routeInterface } from "../../host/macos-network.ts";

export interface Resolvers {
  readonly addresses: readonly string[];
  /** What the user should know, with a remedy. */
  readonly notice?: string;
}

/** Asked after macOS's own, which not every host answers with. */
const publicResolvers = ["1.1.1.1", "8.8.8.8"];

/** Interfaces of VPNs: utun of the system's and most others', ipsec, ppp, tun and tap of older ones. */
const vpn = /^(utun|ipsec|ppp|tun|tap)\d+$/;

/** The interface of a VPN that has the way out of this host. */
export async function vpnInterface(): Promise<string | undefined> {
  const name = await routeInterface("default");
  return name !== undefined && vpn.test(name) ? name : undefined;
}

/**
 * Whom guests ask for names: macOS's resolver at the gateway of their network. A VPN may keep that from answering; then
 * the resolvers that the host itself asks now, which the VPN lets through.
 */
export async function resolversFor(gateway: string, limitMs = 1000): Promise<Resolvers> {
  const usual = [gateway, ...publicResolvers];
  const tunnel = await vpnInterface();
  if (tunnel === undefined) return { addresses: usual };
  // The gateway is there only while a machine runs: before, nobody can be asked.
  const isUp = (await routeInterface(gateway))?.startsWith("bridge") === true;
  if (isUp && (await answers(gateway, limitMs))) return { addresses: usual };
  const own = await hostResolvers();
  if (!isUp) return { addresses: [gateway, ...(own.length === 0 ? publicResolvers : own)].slice(0, 3) };
  const addresses = own.length === 0 ? publicResolvers : own.slice(0, 3);
  return {
    addresses,
    notice: `a VPN (${tunnel}) keeps macOS's resolver at ${gateway} from answering, so guests ask ${addresses.join(", ")}; if they find no names, disconnect it, or exclude the network of the VMs from it (allow local network access)`,
  };
}

/** A query for the root's name servers: whoever resolves names has an answer, if only a refusal. */
const query = Buffer.from("e4be01000001000000000000" + "00" + "0002" + "0001", "hex");

function answers(address: string, limitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    const end = (answered: boolean): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answered);
    };
    const timer = setTimeout(() => end(false), limitMs);
    socket.once("message", () => end(true));
    socket.once("error", () => end(false));
    socket.send(query, 53, address);
  });
}
