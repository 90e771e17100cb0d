import { EmberError } from "../errors/ember-error.ts";
import type { AgentEndpoint } from "../network/network.ts";
import type { NetworkPolicy, PolicyAction, PolicyRule, PortMapping } from "../types.ts";

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

export function parsePolicy(value: unknown): NetworkPolicy {
  const policy = fields(value, "policy");
  const { default: otherwise, rules } = policy;
  if (!isAction(otherwise) || !Array.isArray(rules)) throw unexpected("policy");
  return { default: otherwise, rules: rules.map(parseRule) };
}

function parseRule(value: unknown): PolicyRule {
  const { action, host, cidr, port, protocol, text } = fields(value, "policy");
  if (!isAction(action) || typeof port !== "number" || typeof text !== "string") throw unexpected("policy");
  if (typeof host === "string") return { action, host, port, text };
  const known = protocol === "" || protocol === "tcp" || protocol === "udp";
  if (typeof cidr !== "string" || !known) throw unexpected("policy");
  return { action, cidr, port, protocol, text };
}

function isAction(value: unknown): value is PolicyAction {
  return value === "allow" || value === "refuse";
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
