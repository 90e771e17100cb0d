import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { AgentTarget } from "../src/guest/channel.ts";
import { parseAgentEndpoint } from "../src/state/stored-network.ts";
import type { BenchInstallation } from "./installation.ts";

function row(bench: BenchInstallation, sql: string, value: string): Record<string, unknown> {
  const db = new DatabaseSync(join(bench.stateDir, "ember.db"), { readOnly: true });
  try {
    const found = db.prepare(sql).get(value);
    if (found === undefined) throw new Error(`no record for ${value}`);
    return found;
  } finally {
    db.close();
  }
}

export function vmIdOf(bench: BenchInstallation, name: string): string {
  return String(row(bench, "SELECT id FROM vms WHERE name = ?", name)["id"]);
}

/** The running VM's hypervisor, and how its agent is reached. */
export function agentOf(
  bench: BenchInstallation,
  vmId: string,
): { readonly pid: number; readonly target: AgentTarget } {
  const found = row(bench, "SELECT pid, agent, host_public_key FROM vms WHERE id = ?", vmId);
  return {
    pid: Number(found["pid"]),
    target: {
      endpoint: parseAgentEndpoint(JSON.parse(String(found["agent"]))),
      hostPublicKey: String(found["host_public_key"]),
      clientPrivateKey: readFileSync(join(bench.stateDir, "ssh", "id_ed25519"), "utf8"),
      user: "root",
    },
  };
}
