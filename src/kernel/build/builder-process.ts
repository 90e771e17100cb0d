import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { killGroup } from "../../host/contain.ts";
import { identify, ownIdentity, type ProcessIdentity } from "../../host/process-identity.ts";

/** In the folder in which a kernel is built: which process leads the group that works there. */
const fileName = "builder.json";

const schema: v.GenericSchema<unknown, ProcessIdentity> = v.object({
  pid: v.pipe(v.number(), v.integer(), v.minValue(2)),
  startTime: v.string(),
  bootId: v.string(),
});

/** Takes note of the process that leads the group which builds in `workplace`, so that `endBuild` can find it. */
export function noteBuilder(workplace: string, pid: number): void {
  const identity = identify(pid);
  if (identity === undefined) return; // it has ended already
  writeFileSync(join(workplace, fileName), JSON.stringify(identity), { mode: 0o600 });
}

/**
 * Kills what goes on building in the folder of a command that was killed: make ends with that command, but the compilers that
 * it started do not. A group keeps its id from being given to another process, so whoever has the leader's id now must be the
 * leader itself, or nobody. Idempotent.
 */
export function endBuild(workplace: string): void {
  const leader = readBuilder(workplace);
  if (leader === undefined || leader.bootId !== ownIdentity().bootId) return;
  const now = identify(leader.pid);
  if (now === undefined || now.startTime === leader.startTime) killGroup(leader.pid);
}

function readBuilder(workplace: string): ProcessIdentity | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(readFileSync(join(workplace, fileName), "utf8")));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined; // nothing is built there, or it was killed while it wrote this
  }
}
