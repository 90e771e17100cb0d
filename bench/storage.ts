import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { imageIdOf, makeImages } from "./big-images.ts";
import { BenchInstallation } from "./installation.ts";
import {
  addedResult,
  boundResult,
  interleave,
  type Measurement,
  median,
  type Result,
  ratioResult,
  timeProcess,
} from "./measure.ts";

const sizesGib = [1, 16, 64] as const;

/** What ember may add to the bare command, and how much more the largest disk may cost than the smallest. */
const mostAddedMs = 60;
const mostGrowth = 1.2;

interface Kind {
  readonly name: string;
  readonly init: readonly string[];
  /** The bare command that makes a disk from another. */
  readonly bare: { readonly name: string; command(base: string, target: string): readonly string[] };
}

const kinds: readonly Kind[] = [
  {
    name: "reflink",
    init: ["--storage", "reflink", "--size", "100G"],
    bare: {
      name: "cp --reflink=always",
      command: (base, target) => ["cp", "--reflink=always", base, target],
    },
  },
  {
    name: "qcow2",
    init: ["--storage", "qcow2"],
    bare: {
      name: "qemu-img create -b",
      command: (base, target) => ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, target],
    },
  },
];

/** Clones, snapshots and forks of disks of three sizes, half full, beside the bare command. */
export async function measureStorages(): Promise<Result[]> {
  const results: Result[] = [];
  for (const kind of kinds) {
    using bench = new BenchInstallation();
    bench.prepare(kind.init);
    const folder = join(bench.stateDir, "storage");
    makeImages(bench, folder, sizesGib);
    for (const size of sizesGib)
      bench.ember("vm", "create", `vm-${size}`, "--image", `img-${size}`, "--no-start");
    results.push(...(await measureKind(bench, kind, folder)));
    if (kind.name !== "reflink") continue;
    results.push(measureMany(bench), ...(await measureUsage(bench)));
  }
  return results;
}

async function measureKind(bench: BenchInstallation, kind: Kind, folder: string): Promise<Result[]> {
  let number = 0;
  const bodies = sizesGib.flatMap((size) => {
    const base = join(folder, "images", `${imageIdOf(bench, `img-${size}`)}.ext4`);
    const target = join(folder, "vms", "bare.tmp");
    return [
      () => {
        const elapsed = timeProcess(kind.bare.command(base, target), bench.env);
        rmSync(target);
        return elapsed;
      },
      () =>
        madeAndDeleted(bench, ["vm", "create"], `new-${number++}`, ["--image", `img-${size}`, "--no-start"]),
      () => madeAndDeleted(bench, ["vm", "fork", `vm-${size}`], `new-${number++}`, ["--no-start"]),
      () => {
        const elapsed = bench.ember("snapshot", "create", `vm-${size}`, "one");
        bench.ember("snapshot", "delete", `vm-${size}`, "one");
        return elapsed;
      },
    ];
  });
  const measured = await interleave(7, bodies);
  return ["clone", "fork", "snapshot"].flatMap((what, index) => {
    const of = (size: number): Measurement | undefined => measured[size * 4 + 1 + index];
    return resultsOf(
      `${kind.name} ${what}`,
      kind.bare.name,
      [0, 1, 2].map(of),
      [0, 4, 8].map((at) => measured[at]),
    );
  });
}

function resultsOf(
  what: string,
  bareName: string,
  ours: readonly (Measurement | undefined)[],
  bare: readonly (Measurement | undefined)[],
): Result[] {
  const results: Result[] = [];
  for (const [index, size] of sizesGib.entries()) {
    const [mine, theirs] = [ours[index], bare[index]];
    if (mine === undefined || theirs === undefined) continue;
    results.push(addedResult(`${what}, ${size} GiB`, mine, theirs, bareName, mostAddedMs));
  }
  const [smallest, , largest] = ours;
  if (smallest !== undefined && largest !== undefined)
    results.push(ratioResult("  64 GiB against 1 GiB", largest, smallest, "1 GiB", mostGrowth));
  return results;
}

function madeAndDeleted(
  bench: BenchInstallation,
  command: readonly string[],
  name: string,
  flags: readonly string[],
): number {
  const elapsed = bench.ember(...command, name, ...flags);
  bench.ember("vm", "delete", name);
  return elapsed;
}

/** Each further fork of a hundred, and what it takes on the disk. */
function measureMany(bench: BenchInstallation): Result {
  const times = [0, 1, 2].map((round) => {
    const one = bench.ember("vm", "fork", "vm-16", `one-${round}`, "--count", "1", "--no-start");
    const before = bench.usedBytes();
    const hundred = bench.ember("vm", "fork", "vm-16", `many-${round}`, "--count", "100", "--no-start");
    return { eachMs: (hundred - one) / 99, eachBytes: (bench.usedBytes() - before) / 100 };
  });
  const samples = times.map((time) => time.eachMs);
  const bytes = median(times.map((time) => time.eachBytes));
  return boundResult(
    `reflink fork --count 100, each further fork (${Math.round(bytes / 1024)} KiB)`,
    { medianMs: median(samples), samples },
    10,
  );
}

/** One image with a thousand clones. */
async function measureUsage(bench: BenchInstallation): Promise<Result[]> {
  const made = readdirSync(join(bench.stateDir, "storage", "vms")).length;
  bench.ember("vm", "fork", "vm-1", "clone", "--count", `${1000 - made}`, "--no-start");
  const [usage] = await interleave(5, [() => bench.ember("storage", "usage", "--format", "json")]);
  return usage === undefined ? [] : [boundResult("reflink storage usage, 1,000 clones", usage, 2000)];
}
