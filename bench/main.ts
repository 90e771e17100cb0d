// `make bench`: medians of whole processes, and ratios against what does the same, measured in turn in one run.
import { cpus } from "node:os";
import { measureBoot } from "./boot.ts";
import { measureExec } from "./exec.ts";
import { measureFirewall } from "./firewall.ts";
import { measureFreeze } from "./freeze.ts";
import { measurePulls, measurePullsByHand } from "./images/pull.ts";
import { BenchInstallation, executable } from "./installation.ts";
import { measureLab } from "./lab.ts";
import { boundResult, interleave, printTable, type Result, ratioResult, timeProcess } from "./measure.ts";
import { measureNetwork } from "./network.ts";
import { measureStart } from "./start.ts";
import { measureStorages } from "./storage.ts";

const gib = 2 ** 30;
const results: Result[] = [];

console.log(`${cpus()[0]?.model ?? "unknown processor"}, ${cpus().length} processors\n`);
using bench = new BenchInstallation();
bench.prepare();
bench.ember("vm", "create", "seed", "--image", "busybox", "--no-start");

/** All of them, or those that the command line names. */
const sections: Readonly<Record<string, () => Promise<unknown>>> = {
  startup: measureStartup,
  clones: measureClones,
  boot: async () => results.push(await measureBoot(bench)),
  exec: async () => results.push(...(await measureExec(bench))),
  freeze: async () => results.push(await measureFreeze(bench)),
  storage: async () => results.push(...(await measureStorages())),
  start: async () => results.push(...(await measureStart())),
  pull: async () => results.push(...(await measurePulls())),
  "pull-by-hand": async () => results.push(...(await measurePullsByHand())),
  firewall: async () => results.push(...measureFirewall()),
  network: async () => results.push(...(await measureNetwork(bench))),
  lab: async () => results.push(...(await measureLab())),
};
const wanted = process.argv.slice(2);
const failures: unknown[] = [];
for (const [name, run] of Object.entries(sections)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  try {
    await run();
  } catch (error) {
    failures.push(error);
  }
}
printTable(results);
for (const failure of failures) printFailure(failure);
process.exitCode = failures.length === 0 && results.every((result) => result.met) ? 0 : 1;

/** What went wrong, and what went wrong while that was being cleaned up. */
function printFailure(failure: unknown): void {
  console.error(failure);
  if (!(failure instanceof SuppressedError)) return;
  printFailure(failure.suppressed);
  printFailure(failure.error);
}

async function measureStartup(): Promise<void> {
  bench.addRecords(9);
  const node = (): number => timeProcess(["node", "-e", "0"], bench.env);
  const [version, list, bare] = await interleave(20, [
    () => timeProcess([executable, "version"], bench.env),
    () => bench.ember("vm", "list"),
    node,
  ]);
  if (version === undefined || list === undefined || bare === undefined) return;
  results.push(ratioResult("ember version", version, bare, "node -e 0", 0.25));
  results.push(ratioResult("ember vm list (10 VMs)", list, bare, "node -e 0", 0.25));
  bench.removeRecords();
  bench.addRecords(9_999);
  const [long] = await interleave(7, [() => bench.ember("vm", "list")]);
  if (long !== undefined) results.push(boundResult("ember vm list (10,000 VMs)", long, 200));
  bench.removeRecords();
}

async function measureClones(): Promise<void> {
  let number = 0;
  const create = (sizeBytes: number) => (): number => {
    const name = `bench-${number++}`;
    const elapsed = bench.ember(
      "vm",
      "create",
      name,
      "--image",
      "busybox",
      "--disk-size",
      `${sizeBytes / gib}G`,
      "--no-start",
    );
    bench.ember("vm", "delete", name);
    return elapsed;
  };
  bench.ember("vm", "create", "small", "--image", "busybox", "--disk-size", "1G", "--no-start");
  bench.ember("vm", "create", "large", "--image", "busybox", "--disk-size", "64G", "--no-start");
  const fork = (source: string) => (): number => {
    const name = `bench-${number++}`;
    const elapsed = bench.ember("vm", "fork", source, name, "--no-start");
    bench.ember("vm", "delete", name);
    return elapsed;
  };
  const [createSmall, createLarge, forkSmall, forkLarge] = await interleave(9, [
    create(gib),
    create(64 * gib),
    fork("small"),
    fork("large"),
  ]);
  if (!createSmall || !createLarge || !forkSmall || !forkLarge) return;
  results.push(boundResult("vm create --no-start, 1 GiB", createSmall, 60));
  results.push(boundResult("vm create --no-start, 64 GiB", createLarge, 60));
  results.push(ratioResult("  64 GiB against 1 GiB", createLarge, createSmall, "1 GiB", 1.2));
  results.push(boundResult("vm fork --no-start, 1 GiB", forkSmall, 60));
  results.push(boundResult("vm fork --no-start, 64 GiB", forkLarge, 60));
  results.push(ratioResult("  64 GiB against 1 GiB", forkLarge, forkSmall, "1 GiB", 1.2));
}
