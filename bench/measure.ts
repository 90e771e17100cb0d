import { spawnSync } from "node:child_process";

export interface Measurement {
  readonly medianMs: number;
  readonly samples: readonly number[];
}

/** One row of the table: a ratio within this run, or an absolute bound, with the target it is held against. */
export interface Result {
  readonly what: string;
  readonly ours: string;
  readonly against: string;
  readonly ratio: string;
  readonly target: string;
  readonly met: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Wall time of a whole process. Throws when it fails: a failure must not look fast. */
export function timeProcess(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  okStatuses: readonly number[] = [0],
): number {
  const [program = "", ...args] = command;
  const started = performance.now();
  const result = spawnSync(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const elapsed = performance.now() - started;
  if (!okStatuses.includes(result.status ?? -1)) {
    throw new Error(`${command.join(" ")} ended with ${result.status}: ${result.stderr}`);
  }
  return elapsed;
}

/** Runs the bodies in turn, round after round, so that what the host does meanwhile falls on all alike. */
export async function interleave(
  rounds: number,
  bodies: readonly (() => number | Promise<number>)[],
): Promise<Measurement[]> {
  const samples: number[][] = bodies.map(() => []);
  for (const body of bodies) await body(); // warm
  for (let round = 0; round < rounds; round++) {
    for (const [index, body] of bodies.entries()) samples[index]?.push(await body());
  }
  return samples.map((list) => ({ medianMs: median(list), samples: list }));
}

export function ratioResult(
  what: string,
  ours: Measurement,
  theirs: Measurement,
  against: string,
  target: number,
): Result {
  const ratio = ours.medianMs / theirs.medianMs;
  return {
    what,
    ours: `${ours.medianMs.toFixed(1)} ms`,
    against: `${against} ${theirs.medianMs.toFixed(1)} ms`,
    ratio: ratio.toFixed(2),
    target: `<= ${target.toFixed(2)} x`,
    met: ratio <= target,
  };
}

export function boundResult(what: string, ours: Measurement, boundMs: number): Result {
  return {
    what,
    ours: `${ours.medianMs.toFixed(1)} ms`,
    against: "",
    ratio: "",
    target: `<= ${boundMs} ms`,
    met: ours.medianMs <= boundMs,
  };
}

/** What ours takes longer than the bare command. */
export function addedResult(
  what: string,
  ours: Measurement,
  bare: Measurement,
  against: string,
  mostAddedMs: number,
): Result {
  const addedMs = ours.medianMs - bare.medianMs;
  return {
    what,
    ours: `${ours.medianMs.toFixed(1)} ms`,
    against: `${against} ${bare.medianMs.toFixed(1)} ms`,
    ratio: `+${addedMs.toFixed(1)} ms`,
    target: `<= +${mostAddedMs} ms`,
    met: addedMs <= mostAddedMs,
  };
}

/** Where more is better: so many times what the other one does. */
export function atLeastResult(
  what: string,
  oursText: string,
  ours: number,
  theirsText: string,
  theirs: number,
  target: number,
): Result {
  const ratio = ours / theirs;
  return {
    what,
    ours: oursText,
    against: theirsText,
    ratio: ratio.toFixed(2),
    target: `>= ${target.toFixed(2)} x`,
    met: ratio >= target,
  };
}

/** What is only told: there is no target for it. */
export function toldResult(what: string, ours: string, against: string): Result {
  return { what, ours, against, ratio: "", target: "", met: true };
}

export function printTable(results: readonly Result[]): void {
  const rows = [
    ["", "MEASURED", "OURS", "AGAINST", "RATIO", "TARGET"],
    ...results.map((row) => [
      row.met ? "ok" : "MISS",
      row.what,
      row.ours,
      row.against,
      row.ratio,
      row.target,
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows) {
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    );
  }
}
