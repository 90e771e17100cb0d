import { readFileSync } from "node:fs";
import { errnoCode } from "../errors/ember-error.ts";
import { type Neighbour, normalMac } from "./arp.ts";

const leaseFile = "/var/db/dhcpd_leases";

/**
 * Addresses that macOS's DHCP server gave to virtual machines and that are not yet free again at `nowSeconds` (Unix time).
 * Undefined when the file is not of the form that is known. Of several leases of one address, the newest counts.
 */
export function readLeases(nowSeconds: number, path: string = leaseFile): readonly Neighbour[] | undefined {
  try {
    return parseLeases(readFileSync(path, "utf8"), nowSeconds);
  } catch (error) {
    // No VM ever asked for one, or the file is not for us to read.
    if (errnoCode(error) === "ENOENT") return [];
    return undefined;
  }
}

/**
 * Blocks in braces, of lines such as "hw_address=1,52:54:0:ab:c:1" and "lease=0x66a1b2c3" (the end, Unix time). What a
 * guest that names itself by a DUID ("ff,...") has is nobody's MAC: its address counts as taken all the same.
 */
export function parseLeases(text: string, nowSeconds: number): readonly Neighbour[] | undefined {
  const blocks = text.match(/\{[^{}]*\}/g) ?? [];
  if (blocks.length === 0) return text.trim() === "" ? [] : undefined;
  const newest = new Map<string, { readonly end: number; readonly mac: string }>();
  for (const block of blocks) {
    const address = /^\s*ip_address=(\d+\.\d+\.\d+\.\d+)\s*$/m.exec(block)?.[1];
    const hardware = /^\s*hw_address=(.*)$/m.exec(block)?.[1];
    const end = Number(/^\s*lease=(0x[0-9a-fA-F]+)\s*$/m.exec(block)?.[1] ?? Number.NaN);
    if (address === undefined || hardware === undefined || Number.isNaN(end)) return undefined;
    if ((newest.get(address)?.end ?? 0) >= end) continue;
    newest.set(address, { end, mac: normalMac(/^1,(.*)$/.exec(hardware.trim())?.[1] ?? "") ?? "unknown" });
  }
  return Array.from(newest)
    .filter(([, { end }]) => end > nowSeconds)
    .map(([address, { mac }]) => ({ address, mac }));
}
