import { EmberError } from "../errors/ember-error.ts";
import type { AgentEndpoint, Egress } from "../network/network.ts";
import type { PortMapping } from "../types.ts";

/** Readers of the JSON columns that hold network facts. */

export function parsePorts(value: unknown): readonly PortMapping[] {
  if (!Array.isArray(value)) throw unexpected("ports");
  return value.map((item: unknown) => {
    const port = fields(item, "ports");
    const protocol = port["protocol"];
    const hostAddress = port["hostAddress"];
    const hostPort = port["hostPort"];
    const guestPort = port["guestPort"];
    if (
      (protocol !== "tcp" && protocol !== "udp") ||
      typeof hostAddress !== "string" ||
      typeof hostPort !== "number" ||
      typeof guestPort !== "number"
    ) {
      throw unexpected("ports");
    }
    return { protocol, hostAddress, hostPort, guestPort };
  });
}

export function parseAgentEndpoint(value: unknown): AgentEndpoint {
  const endpoint = fields(value, "agent");
  const port = endpoint["port"];
  if (typeof port !== "number") throw unexpected("agent");
  if (endpoint["kind"] === "tcp" && typeof endpoint["host"] === "string") {
    return { kind: "tcp", host: endpoint["host"], port };
  }
  if (endpoint["kind"] === "vsock-uds" && typeof endpoint["path"] === "string") {
    return { kind: "vsock-uds", path: endpoint["path"], port };
  }
  throw unexpected("agent");
}

export function parseEgress(value: unknown): Egress {
  if (value === "all" || value === "none") return value;
  if (!Array.isArray(value)) throw unexpected("egress");
  return value.map((item: unknown) => {
    if (typeof item !== "string") throw unexpected("egress");
    return item;
  });
}

function fields(value: unknown, column: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw unexpected(column);
  return { ...value };
}

function unexpected(column: string): EmberError {
  return new EmberError("database-failed", `column '${column}' holds something unexpected`, {
    hint: "the state database was changed from outside: restore it from a backup",
  });
}
