import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../errors/ember-error.ts";
import { isAlive, type ProcessIdentity, signalProcess } from "../host/process-identity.ts";

/** A killed process takes as long as the host needs to take its memory back; beyond this it is stuck in the host. */
const limitMs = 20_000;

/** Post-condition: the process is gone. Idempotent. Throws `hypervisor-failed` when it survives. */
export async function endProcess(process: ProcessIdentity): Promise<void> {
  const deadline = Date.now() + limitMs;
  signalProcess(process, "SIGKILL");
  for (let waitMs = 1; isAlive(process); waitMs = Math.min(50, waitMs * 2)) {
    if (Date.now() > deadline) {
      throw new EmberError(
        "hypervisor-failed",
        `process ${process.pid} was killed but has not gone within ${limitMs / 1000} s`,
        { hint: "the host's kernel holds it: look at its log, and restart the host if it stays" },
      );
    }
    await sleep(waitMs);
  }
}
