import { vmnetSetting } from "../../host/macos-network.ts";
import { formatNetwork4, parseNetwork4, sizeOf } from "../ipv4.ts";

/** What macOS uses unless its settings say otherwise. */
const usual = "192.168.64.0/24";

/** The network that macOS makes for the virtual machines of this host, of whoever they are: "192.168.64.0/24". */
export async function currentSubnet(): Promise<string> {
  const [address, mask] = await Promise.all([
    vmnetSetting("Shared_Net_Address"),
    vmnetSetting("Shared_Net_Mask"),
  ]);
  return address === undefined ? usual : (subnetOf(address, mask ?? "255.255.255.0") ?? usual);
}

/** The settings name the gateway, and a mask. Undefined for what is no network. */
export function subnetOf(address: string, mask: string): string | undefined {
  try {
    const prefix = prefixOf(parseNetwork4(`${mask}/32`).base);
    const { base } = parseNetwork4(`${address}/32`);
    return prefix === undefined
      ? undefined
      : formatNetwork4({ base: base - (base % sizeOf(prefix)), prefix });
  } catch {
    return undefined; // no addresses
  }
}

function prefixOf(mask: number): number | undefined {
  const prefix = 32 - Math.log2(2 ** 32 - mask);
  return Number.isInteger(prefix) && prefix >= 8 && prefix <= 30 ? prefix : undefined;
}
