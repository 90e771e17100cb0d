import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../errors/ember-error.ts";
import { run } from "./run.ts";
import { findTool } from "./tools.ts";

// zfs(8) and zpool(8): what is asked of them, and what their answers and refusals mean.

/** Why zfs or zpool refused, as far as callers tell it apart. */
export type ZfsProblem =
  | "missing"
  | "exists"
  | "busy"
  | "dependants"
  | "full"
  | "read-only"
  | "suspended"
  | "no-pool"
  | "denied"
  | "no-module"
  | "size";

export interface ZfsAnswer {
  readonly stdout: string;
  /** One of those that the caller tolerates. */
  readonly problem: ZfsProblem | undefined;
}

/** One sentence of theirs may match several: the first counts. */
const sentences: readonly (readonly [RegExp, ZfsProblem])[] = [
  [/modules (are not loaded|cannot be auto-loaded)|\/dev\/zfs/i, "no-module"],
  [/is currently suspended|pool I\/O is (currently )?suspended/i, "suspended"],
  [/no such pool/i, "no-pool"],
  [/does not exist|could not find any snapshots/i, "missing"],
  [/dependent clones/i, "dependants"],
  [/already exists|in use and contains/i, "exists"],
  [/is busy|resource busy/i, "busy"],
  [/out of space|no space left|not enough (free )?space/i, "full"],
  [/read-only/i, "read-only"],
  [/permission denied|operation not permitted|must be root/i, "denied"],
  [/'volsize'|volume size/i, "size"],
];

/** What zfs or zpool complained of; undefined for what is not foreseen. */
export function problemOf(stderr: string): ZfsProblem | undefined {
  return sentences.find(([pattern]) => pattern.test(stderr))?.[1];
}

/**
 * Runs zfs on the datasets of `pool`, which must be imported and able to write: on a suspended one the command would
 * hang in the kernel, beyond any signal. `lock` is a folder that is locked (shared) as long as the command runs, also
 * when it outlives a killed ember: see `waitForCommands`. Throws for each problem that is not tolerated: `busy`,
 * `has-dependants`, `disk-full`, `invalid-size`, `permission-denied`, `host-unsupported`, `io-failed`, `tool-failed`.
 */
export async function zfs(
  pool: string,
  args: readonly string[],
  tolerated: readonly ZfsProblem[] = [],
  lock?: string,
): Promise<ZfsAnswer> {
  checkPool(pool);
  return await call(pool, ["zfs", ...args], tolerated, 180_000, lock);
}

/** Runs zpool. Throws as `zfs` does. */
export async function zpool(
  pool: string,
  args: readonly string[],
  tolerated: readonly ZfsProblem[] = [],
): Promise<ZfsAnswer> {
  return await call(pool, ["zpool", ...args], tolerated, 600_000);
}

async function call(
  pool: string,
  [tool = "", ...args]: readonly string[],
  tolerated: readonly ZfsProblem[],
  timeoutMs: number,
  lock?: string,
): Promise<ZfsAnswer> {
  const options = { okStatuses: [0, 1, 2, 255], timeoutMs };
  const locking = ["--shared", "--no-fork", lock ?? "", findTool(tool), ...args];
  const { status, stdout, stderr } = await (lock === undefined
    ? run(tool, args, options)
    : run("flock", locking, options));
  if (status === 0) return { stdout, problem: undefined };
  const problem = problemOf(stderr);
  if (problem !== undefined && tolerated.includes(problem)) return { stdout, problem };
  throw refusal(problem, pool, `${tool} ${args.join(" ")}`.slice(0, 300), stderr.trim().slice(-600));
}

/** Post-condition: no command that began under that lock still runs, those of killed processes included. */
export async function waitForCommands(lock: string): Promise<void> {
  await run("flock", ["--exclusive", "--timeout", "180", lock, findTool("true")], { timeoutMs: 200_000 });
}

/** As `zfs`, again and again for a while when something (most often udev, looking) still has the volume open. */
export function zfsWhenQuiet(
  pool: string,
  args: readonly string[],
  tolerated: readonly ZfsProblem[] = [],
  lock?: string,
): Promise<ZfsAnswer> {
  return whenQuiet(tolerated, (now) => zfs(pool, args, now, lock));
}

/** As `zpool`, again and again for a while when something still has a volume open. */
export function zpoolWhenQuiet(
  pool: string,
  args: readonly string[],
  tolerated: readonly ZfsProblem[] = [],
): Promise<ZfsAnswer> {
  return whenQuiet(tolerated, (now) => zpool(pool, args, now));
}

async function whenQuiet(
  tolerated: readonly ZfsProblem[],
  attempt: (tolerated: readonly ZfsProblem[]) => Promise<ZfsAnswer>,
): Promise<ZfsAnswer> {
  for (let attempts = 0; attempts < 40; attempts += 1) {
    const answer = await attempt([...tolerated, "busy"]);
    if (answer.problem !== "busy" || tolerated.includes("busy")) return answer;
    await sleep(Math.min(50 * 2 ** attempts, 500));
  }
  return attempt(tolerated);
}

function refusal(problem: ZfsProblem | undefined, pool: string, command: string, text: string): EmberError {
  const said = `'${command}' failed: ${text}`;
  switch (problem) {
    case "no-module":
      return noModule(said);
    case "suspended":
      return suspended(pool);
    case "no-pool":
      return notImported(pool);
    case "busy":
      return new EmberError("busy", said, { hint: "stop what has it open, then try again" });
    case "dependants":
      return new EmberError("has-dependants", said, { hint: "delete what was cloned from it first" });
    case "full":
      return poolFull(pool, said);
    case "read-only":
      return new EmberError("io-failed", `pool '${pool}' is read-only: ${said}`, {
        hint: `import it for writing: zpool export ${pool}, then zpool import ${pool}`,
      });
    case "denied":
      return new EmberError("permission-denied", said, { hint: "run as root" });
    case "size":
      return new EmberError("invalid-size", said, { hint: "ask for a smaller size" });
    default:
      return new EmberError("tool-failed", said);
  }
}

export function poolFull(pool: string, what: string): EmberError {
  return new EmberError("disk-full", what, {
    hint: `delete VMs, snapshots or images, or enlarge pool '${pool}' ('ember storage grow' for one that ember made)`,
  });
}

export function noModule(why: string): EmberError {
  return new EmberError("host-unsupported", `ZFS cannot be used here: ${why}`, {
    hint: "load the module with 'modprobe zfs'; on Debian it comes with: apt-get install zfs-dkms zfsutils-linux",
  });
}

function notImported(pool: string): EmberError {
  return new EmberError("io-failed", `pool '${pool}' is not there`, {
    hint: `attach its devices and import it: zpool import ${pool}`,
  });
}

function suspended(pool: string): EmberError {
  return new EmberError("io-failed", `pool '${pool}' is suspended: a device of its fails`, {
    hint: `see 'zpool status ${pool}', put the device right, then: zpool clear ${pool}`,
  });
}

/** Health of an imported pool as the kernel names it ("ONLINE", "DEGRADED", "SUSPENDED", ...). Never waits. */
export function poolState(pool: string): string | undefined {
  try {
    return readFileSync(`/proc/spl/kstat/zfs/${pool}/state`, "utf8").trim();
  } catch {
    return undefined; // not imported, or no ZFS at all
  }
}

/** Throws `io-failed` unless the pool is imported and takes writes. Reads one file of the kernel's. */
export function checkPool(pool: string): void {
  const state = poolState(pool);
  if (state === undefined) throw notImported(pool);
  if (state === "SUSPENDED") throw suspended(pool);
  if (state !== "ONLINE" && state !== "DEGRADED") {
    throw new EmberError("io-failed", `pool '${pool}' is ${state.toLowerCase()}`, {
      hint: `see 'zpool status ${pool}'`,
    });
  }
}
