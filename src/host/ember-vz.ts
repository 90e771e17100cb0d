import * as v from "valibot";
import { EmberError } from "../errors/ember-error.ts";
import { run } from "./run.ts";

// What ember's own helper does for files (vz/README.md). That it runs machines is src/hypervisor/vz's affair.

/** Exit statuses of `ember-vz clone` (vz/Sources/EmberVZ/ExitStatus.swift). */
const exists = 10;
const otherVolume = 11;
const cannotClone = 12;
const diskFull = 13;
const notFound = 14;

const cloneLimitMs = 600_000;

/**
 * Makes copies of one file that share its blocks (clonefile(2)): all of them, or none. Never copies data. Throws
 * `storage-cannot-clone` (other volume, or a file system that has no clones), `disk-full`, `tool-missing`, `tool-failed`,
 * and system errors EEXIST and ENOENT.
 */
export async function cloneByHelper(source: string, targets: readonly string[]): Promise<void> {
  const { status, stderr } = await run("ember-vz", ["clone", "--for", `${process.pid}`, source, ...targets], {
    okStatuses: [0, exists, otherVolume, cannotClone, diskFull, notFound],
    timeoutMs: cloneLimitMs,
  });
  if (status === 0) return;
  const [first = "", ...rest] = stderr
    .replace(/^ember-vz: /, "")
    .trim()
    .split("\n");
  const hint = rest.join(" ").trim();
  const options = hint === "" ? {} : { hint };
  if (status === exists) throw systemError("EEXIST", first);
  if (status === notFound) throw systemError("ENOENT", first);
  throw new EmberError(status === diskFull ? "disk-full" : "storage-cannot-clone", first, options);
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}

const answer = v.object({
  files: v.array(
    v.object({
      path: v.string(),
      extents: v.array(v.object({ offset: v.number(), place: v.number(), length: v.number() })),
    }),
  ),
});

const filesPerRun = 500;

/**
 * Where the data of the files lies on their volume: `place` and `length` in bytes. `onFile` hears of a file's index
 * before its extents. Throws `tool-missing`, `tool-failed`.
 */
export async function extentsByHelper(
  folder: string,
  names: readonly string[],
  onExtent: (file: number, place: number, length: number) => void,
): Promise<ReadonlySet<number>> {
  const seen = new Set<number>();
  for (let first = 0; first < names.length; first += filesPerRun) {
    const batch = names.slice(first, first + filesPerRun);
    const { stdout } = await run("ember-vz", ["extents", ...batch], { cwd: folder, timeoutMs: cloneLimitMs });
    const parsed = v.safeParse(answer, JSON.parse(stdout));
    if (!parsed.success)
      throw new EmberError("tool-failed", "'ember-vz extents' says nothing that is understood");
    for (const [index, { extents }] of parsed.output.files.entries()) {
      seen.add(first + index);
      for (const { place, length } of extents) onExtent(first + index, place, length);
    }
  }
  return seen;
}
