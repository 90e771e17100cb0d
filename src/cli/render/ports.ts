import type { PortMapping } from "../../types.ts";

/** "127.0.0.1:8080 -> 80/tcp" */
export function renderPort({ hostAddress, hostPort, guestPort, protocol }: PortMapping): string {
  const host = hostAddress.includes(":") ? `[${hostAddress}]` : hostAddress;
  return `${host}:${hostPort} -> ${guestPort}/${protocol}`;
}
