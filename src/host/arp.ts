import { run } from "./run.ts";

/** An address of a network that this host is on, and the interface that answered for it. */
export interface Neighbour {
  /** Dotted decimal. */
  readonly address: string;
  /** Six pairs of lower-case digits. */
  readonly mac: string;
}

/** What macOS's `arp -an` knows; it may be stale, and lacks whoever was silent. Empty when it fails. */
export async function readNeighbours(): Promise<readonly Neighbour[]> {
  const { stdout } = await run("/usr/sbin/arp", ["-an"], { timeoutMs: 10_000, okStatuses: [0, 1] });
  return parseNeighbours(stdout);
}

/** "? (192.168.64.5) at 52:54:0:ab:c:1 on bridge100 ifscope [bridge]"; "(incomplete)" where nobody answered. */
export function parseNeighbours(text: string): readonly Neighbour[] {
  return text.split("\n").flatMap((line) => {
    const [, address = "", spelled = ""] = /\((\d+\.\d+\.\d+\.\d+)\) at ([0-9a-fA-F:]+) /.exec(line) ?? [];
    const mac = normalMac(spelled);
    return mac === undefined ? [] : [{ address, mac }];
  });
}

/** macOS leaves out leading zeros. Undefined for what is no address. */
export function normalMac(text: string): string | undefined {
  const parts = text.toLowerCase().split(":");
  if (parts.length !== 6 || !parts.every((part) => /^[0-9a-f]{1,2}$/.test(part))) return undefined;
  return parts.map((part) => part.padStart(2, "0")).join(":");
}
