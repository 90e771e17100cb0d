import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { BenchInstallation } from "./installation.ts";
import { boundResult, median, type Result } from "./measure.ts";

const rounds = 15;

/**
 * Ember's own share of `ember vm start` with Firecracker, jailer and TAP: the whole process, with a hypervisor and a guest
 * that take no time (guest/internal/instant). What these take all the same, such as two program starts and the guest's
 * half of an SSH handshake, counts as ember's.
 */
export function measureStart(): Result[] {
  if (process.getuid?.() !== 0) {
    console.log("the start with jailer and TAP is not measured: that needs root");
    return [];
  }
  using bench = new BenchInstallation();
  const tools = join(bench.home, "tools");
  buildInstant(tools);
  bench.env["PATH"] = `${tools}:${bench.env["PATH"]}`;
  bench.prepare(["--hypervisor", "firecracker", "--network", "tap", "--accel", "kvm", "--size", "4G"]);
  bench.ember("vm", "create", "seed", "--image", "busybox", "--memory", "256M", "--no-start");
  const samples: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const elapsed = bench.ember("vm", "start", "seed");
    if (round > 0) samples.push(elapsed); // the first one warms
    bench.ember("vm", "stop", "--force", "seed");
  }
  return [
    boundResult("vm start, jailer and TAP: ember's own share", { medianMs: median(samples), samples }, 60),
  ];
}

/** Makes `firecracker` and `jailer` in the folder. */
function buildInstant(folder: string): void {
  mkdirSync(folder);
  const program = join(folder, "instant");
  execFileSync("go", ["build", "-o", program, "./internal/instant"], {
    cwd: join(import.meta.dir, "..", "guest"),
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  for (const name of ["firecracker", "jailer"]) symlinkSync(program, join(folder, name));
}
