import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { firecrackerDouble } from "../test/support/firecracker/double.ts";
import { BenchInstallation, executable } from "./installation.ts";
import { boundResult, median, type Result } from "./measure.ts";
import { vmIdOf } from "./records.ts";

const rounds = 7;

/**
 * `ember vm start` with Firecracker, jailer and TAP, whole process, less what is not ember's: from the moment that the
 * jailer is executed (a wrapper notes it) to the one at which the guest says that its agent listens (its console is
 * watched). The hypervisor's own API time is in between, ember's requests to it included.
 */
export async function measureStart(): Promise<Result[]> {
  const double = firecrackerDouble();
  if (process.getuid?.() !== 0 || !double.available) {
    console.log(`the start with jailer and TAP is not measured: ${double.reason ?? "that needs root"}`);
    return [];
  }
  using bench = new BenchInstallation();
  const stamp = join(bench.home, "jailed-at");
  bench.env["PATH"] = `${notingTools(join(bench.home, "tools"), double, stamp)}:${bench.env["PATH"]}`;
  bench.prepare(["--hypervisor", "firecracker", "--network", "tap", "--accel", "kvm", "--size", "4G"]);
  bench.ember("vm", "create", "seed", "--image", "busybox", "--memory", "256M", "--no-start");
  const consolePath = join(bench.stateDir, "vms", vmIdOf(bench, "seed"), "console.log");
  const samples: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const own = await ownShare(bench, consolePath, stamp);
    if (round > 0) samples.push(own); // the first one warms
    bench.ember("vm", "stop", "--force", "seed");
  }
  return [
    boundResult("vm start, jailer and TAP: ember's own share", { medianMs: median(samples), samples }, 60),
  ];
}

/** A folder with `firecracker` and `jailer`; the latter writes down when it is executed, in ns since 1970. */
function notingTools(folder: string, double: { firecracker: string; jailer: string }, stamp: string): string {
  mkdirSync(folder);
  for (const [name, target] of Object.entries({ firecracker: double.firecracker, jailer: double.jailer })) {
    const note = name === "jailer" ? `date +%s%N >'${stamp}'\n` : "";
    writeFileSync(join(folder, name), `#!/bin/sh\n${note}exec '${target}' "$@"\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return folder;
}

async function ownShare(bench: BenchInstallation, consolePath: string, stamp: string): Promise<number> {
  rmSync(consolePath, { force: true });
  const started = nowMs();
  const child = spawn(executable, ["vm", "start", "seed"], { env: bench.env, stdio: "ignore" });
  const ended = new Promise<number>((resolve) => child.on("close", (status) => resolve(status ?? 1)));
  let endedMs = 0;
  const finished = ended.then((status) => {
    endedMs = nowMs();
    if (status !== 0) throw new Error(`vm start ended with ${status}`);
  });
  while (endedMs === 0 && !listens(consolePath)) await sleep(1);
  const readyMs = nowMs();
  await finished;
  const jailedMs = Number(readFileSync(stamp, "utf8")) / 1e6;
  return jailedMs - started + (endedMs - readyMs);
}

const nowMs = (): number => performance.timeOrigin + performance.now();

function listens(consolePath: string): boolean {
  return existsSync(consolePath) && readFileSync(consolePath, "latin1").includes("ember-guest: ready");
}
