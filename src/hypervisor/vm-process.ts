import { EmberError } from "../errors/ember-error.ts";
import { endWith } from "../host/marked-process.ts";
import type { ProcessIdentity } from "../host/process-identity.ts";
import type { Machine } from "./hypervisor.ts";

/** Throws `wrong-state` when there is one. */
export function refuseRunning(machine: Machine | undefined): void {
  if (machine === undefined) return;
  throw new EmberError("wrong-state", `the VM runs already, as process ${machine.process.pid}`, {
    hint: "stop it first",
  });
}

/** A killed process takes as long as the host needs to take its memory back; beyond this it is stuck in the host. */
const limitMs = 20_000;

/** Post-condition: the process is gone. Idempotent. Throws `hypervisor-failed` when it survives. */
export async function endProcess(process: ProcessIdentity): Promise<void> {
  if (await endWith(process, "SIGKILL", limitMs)) return;
  throw new EmberError(
    "hypervisor-failed",
    `process ${process.pid} was killed but has not gone within ${limitMs / 1000} s`,
    { hint: "the host's kernel holds it: look at its log, and restart the host if it stays" },
  );
}
