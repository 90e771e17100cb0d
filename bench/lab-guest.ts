// Run in the lab's guest by lab.ts: ember's disk operations on zfs and dm-thin beside the bare commands. Prints JSON.
import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { withDisk } from "../test/support/disks.ts";
import { gib, mib } from "./big-images.ts";
import { BenchInstallation } from "./installation.ts";
import {
  addedResult,
  interleave,
  type Measurement,
  type Result,
  ratioResult,
  timeProcess,
} from "./measure.ts";
import { vmIdOf } from "./records.ts";

/** Smaller than on the host: the guest writes the data under emulation. */
const sizesGib = (process.argv[3] ?? "1,2,8").split(",").map(Number);

interface Bare {
  readonly name: string;
  /** Commands that make a clone of a VM's disk, timed; then those that remove it. */
  make(vmId: string): readonly (readonly string[])[];
  remove(vmId: string): readonly (readonly string[])[];
}

const pool = "ember-bench";

const zfs: Bare = {
  name: "zfs snapshot + clone",
  make: (vmId) => [
    ["zfs", "snapshot", `${pool}/ember/vms/${vmId}@bare`],
    ["zfs", "clone", `${pool}/ember/vms/${vmId}@bare`, `${pool}/bare`],
  ],
  remove: (vmId) => [
    ["zfs", "destroy", `${pool}/bare`],
    ["zfs", "destroy", `${pool}/ember/vms/${vmId}@bare`],
  ],
};

/** Of a thin device that is not active, as ember's is not: its number is what the database says. */
function dmThin(poolDevice: string, numberOf: (vmId: string) => number): Bare {
  const bare = 2 ** 24 - 2;
  return {
    name: "dmsetup message create_snap",
    make: (vmId) => [["dmsetup", "message", poolDevice, "0", `create_snap ${bare} ${numberOf(vmId)}`]],
    remove: () => [["dmsetup", "message", poolDevice, "0", `delete ${bare}`]],
  };
}

/** A device that was only just made may still be looked into by the host, and cannot be destroyed then. */
function removed(bench: BenchInstallation, commands: readonly (readonly string[])[]): void {
  for (const command of commands) {
    for (let attempt = 1; ; attempt++) {
      try {
        timeProcess(command, bench.env);
        break;
      } catch (error) {
        if (attempt === 20 || !String(error).includes("busy")) throw error;
        Bun.sleepSync(500);
      }
    }
  }
}

function timed(bench: BenchInstallation, commands: readonly (readonly string[])[]): number {
  return commands.reduce((sum, command) => sum + timeProcess(command, bench.env), 0);
}

/** Every other 64 MiB holds data that does not compress. */
function fill(path: string, sizeBytes: number): void {
  const noise = crypto.getRandomValues(Buffer.alloc(65_536));
  const chunk = Buffer.concat(Array.from({ length: (4 * mib) / noise.length }, () => noise));
  const file = openSync(path, "r+");
  try {
    for (let start = 64 * mib; start + 64 * mib <= sizeBytes; start += 128 * mib) {
      for (let at = start; at < start + 64 * mib; at += chunk.length)
        writeSync(file, chunk, 0, chunk.length, at);
    }
  } finally {
    closeSync(file);
  }
}

async function measure(
  name: string,
  init: readonly string[],
  bareOf: (bench: BenchInstallation) => Bare,
): Promise<Result[]> {
  using bench = new BenchInstallation();
  bench.prepareWithoutKernel(init);
  for (const size of sizesGib) {
    bench.ember("vm", "create", `vm-${size}`, "--image", "busybox", "--disk-size", `${size}G`, "--no-start");
    await withDisk(bench.stateDir, `vm-${size}`, ({ path }) => fill(path, size * gib));
  }
  const bare = bareOf(bench);
  let number = 0;
  const bodies = sizesGib.flatMap((size) => {
    const vmId = vmIdOf(bench, `vm-${size}`);
    return [
      () => {
        const elapsed = timed(bench, bare.make(vmId));
        removed(bench, bare.remove(vmId));
        return elapsed;
      },
      () => {
        const fresh = `new-${number++}`;
        const elapsed = bench.ember("vm", "fork", `vm-${size}`, fresh, "--no-start");
        bench.ember("vm", "delete", fresh);
        return elapsed;
      },
      () => {
        const elapsed = bench.ember("snapshot", "create", `vm-${size}`, "one");
        bench.ember("snapshot", "delete", `vm-${size}`, "one");
        return elapsed;
      },
    ];
  });
  const measured = await interleave(5, bodies);
  return ["fork", "snapshot"].flatMap((what, index) =>
    resultsOf(`${name} ${what}`, bare.name, measured, 1 + index),
  );
}

function resultsOf(
  what: string,
  bareName: string,
  measured: readonly Measurement[],
  offset: number,
): Result[] {
  const results: Result[] = [];
  for (const [index, size] of sizesGib.entries()) {
    const [theirs, ours] = [measured[index * 3], measured[index * 3 + offset]];
    if (ours === undefined || theirs === undefined) continue;
    // Under emulation everything takes many times as long: what starting a program costs is the unit.
    results.push(addedResult(`${what}, ${size} GiB (emulated)`, ours, theirs, bareName, emulatedBound));
  }
  const [smallest, largest] = [measured[offset], measured[3 * (sizesGib.length - 1) + offset]];
  if (smallest !== undefined && largest !== undefined)
    results.push(
      ratioResult(
        `  ${sizesGib.at(-1)} GiB against ${sizesGib[0]} GiB`,
        largest,
        smallest,
        `${sizesGib[0]} GiB`,
        1.2,
      ),
    );
  return results;
}

/** 60 ms, times how much slower `ember version` is here than on the host (lab.ts tells). */
const emulatedBound = 60 * Number(process.argv[2] ?? 1);

/** What went wrong, and what went wrong while that was cleaned up. */
function explain(error: unknown): string {
  if (error instanceof SuppressedError) return `${explain(error.suppressed)}\nthen: ${explain(error.error)}`;
  return error instanceof Error ? error.message : String(error);
}

process.on("uncaughtException", (error) => {
  console.error(explain(error));
  process.exit(1);
});

const results = [
  ...(await measure("zfs", ["--storage", "zfs", "--pool", pool, "--size", "14G"], () => zfs)),
  ...(await measure("dm-thin", ["--storage", "dm-thin", "--size", "14G"], (bench) => {
    const names = spawnSync("dmsetup", ["ls", "--target", "thin-pool"], { encoding: "utf8" }).stdout;
    return dmThin(names.split(/\s/)[0] ?? "", (vmId) => bench.thinIdOf(vmId));
  })),
];
console.log(JSON.stringify(results));
