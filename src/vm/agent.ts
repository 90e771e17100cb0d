import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentChannel, AgentTarget } from "../guest/channel.ts";
import type { Installation } from "../installation.ts";
import type { VmRecord } from "../state/vms.ts";
import { reaching } from "./revival.ts";
import { requireRunning } from "./status.ts";

/** Where the installation's own key pair lies: OpenSSH needs it as a file. Mode 0600 in a 0700 folder. */
export function clientKeyPath(installation: Installation): string {
  return join(installation.paths.stateDir, "ssh", "id_ed25519");
}

export function clientPublicKey(installation: Installation): string {
  return readKey(`${clientKeyPath(installation)}.pub`).trim();
}

function readKey(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new EmberError("io-failed", `the key that opens the guests, '${path}', cannot be read`, {
      hint: "restore it from a backup; without it the VMs of this installation cannot be entered",
      cause,
    });
  }
}

/** How to reach the agent of a running VM, as `user`. Throws `wrong-state` when it does not run. */
export function agentTarget(installation: Installation, vm: VmRecord, user: string = vm.user): AgentTarget {
  return {
    endpoint: requireRunning(vm).agent,
    hostPublicKey: vm.hostPublicKey,
    clientPrivateKey: readKey(clientKeyPath(installation)),
    user,
  };
}

/** Runs `body` with a connection to the VM's agent, as `user` (the control subsystem is root's). */
export async function withAgent<T>(
  installation: Installation,
  vm: VmRecord,
  options: { readonly user?: string; readonly timeoutMs?: number; readonly signal?: AbortSignal | undefined },
  body: (agent: AgentChannel) => Promise<T>,
): Promise<T> {
  const target = agentTarget(installation, vm, options.user);
  const { connectAgent } = await import("../guest/connect.ts");
  await using agent = await reaching(installation, () =>
    connectAgent(target, {
      ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
      signal: options.signal,
    }),
  );
  return await body(agent);
}
