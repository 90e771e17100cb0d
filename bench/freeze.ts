import { spawnSync } from "node:child_process";
import { type BenchInstallation, executable } from "./installation.ts";
import { boundResult, median, type Result } from "./measure.ts";

/** How long a snapshot of a running VM holds up its guest, as the guest's agent counts it. */
export async function measureFreeze(bench: BenchInstallation): Promise<Result> {
  bench.ember("vm", "create", "frozen", "--image", "busybox", "--memory", "256M");
  const samples: number[] = [];
  for (let round = 0; round < 9; round++) {
    const args = ["snapshot", "create", "frozen", `round-${round}`, "--verbose"];
    const { stderr } = spawnSync(executable, args, { env: bench.env, encoding: "utf8" });
    const told = /were frozen for ([0-9.]+) ms/.exec(stderr)?.[1];
    if (told === undefined) throw new Error(`no freeze was told of: ${stderr}`);
    samples.push(Number(told));
  }
  bench.ember("vm", "delete", "--force", "frozen");
  return boundResult("guest frozen by a snapshot", { medianMs: median(samples), samples }, 100);
}
