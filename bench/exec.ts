import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchInstallation } from "./installation.ts";
import { interleave, type Result, ratioResult, timeProcess } from "./measure.ts";
import { agentOf, vmIdOf } from "./records.ts";

/** `ember exec VM -- true`, whole process, against a cold OpenSSH client with the same agent, key and pinned host key. */
export async function measureExec(bench: BenchInstallation): Promise<Result[]> {
  bench.ember("vm", "start", "seed");
  const { target } = agentOf(bench, vmIdOf(bench, "seed"));
  if (target.endpoint.kind !== "tcp") throw new Error("the agent is not reached over TCP here");
  const knownHosts = join(bench.home, "known_hosts");
  writeFileSync(knownHosts, `seed ${target.hostPublicKey}\n`);
  const options = [
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "StrictHostKeyChecking=yes",
    "HostKeyAlias=seed",
    `UserKnownHostsFile=${knownHosts}`,
  ];
  const ssh = [
    "ssh",
    "-F",
    "none",
    "-p",
    `${target.endpoint.port}`,
    "-i",
    join(bench.stateDir, "ssh", "id_ed25519"),
    ...options.flatMap((option) => ["-o", option]),
    "root@127.0.0.1",
    "true",
  ];
  const [ours, theirs] = await interleave(15, [
    () => bench.ember("exec", "seed", "--", "true"),
    () => timeProcess(ssh, bench.env),
  ]);
  bench.ember("vm", "stop", "--force", "seed");
  if (ours === undefined || theirs === undefined) throw new Error("nothing was measured");
  return [ratioResult("exec VM -- true", ours, theirs, "cold OpenSSH", 1)];
}
