import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BenchInstallation } from "./installation.ts";
import { boundResult, median, type Result } from "./measure.ts";

const rounds = 15;
/** How long the guest of guest/internal/instant takes to boot. */
const guestMs = 100;

/**
 * Ember's own share of `ember vm start` with Firecracker, jailer and TAP: the whole process, less what its stand-in for
 * hypervisor and guest takes, which does nothing of what makes real ones slow. The requests to the hypervisor's API and
 * the SSH handshake with the agent, both halves of them, count as ember's.
 */
export async function measureStart(): Promise<Result[]> {
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
  const whole: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const elapsed = bench.ember("vm", "start", "seed");
    bench.ember("vm", "stop", "--force", "seed");
    const instant = await startInstant(tools, bench.home);
    if (round === 0) continue; // it warms
    whole.push(elapsed);
    bare.push(instant);
  }
  const own = { medianMs: median(whole) - median(bare) - guestMs, samples: whole };
  return [boundResult("vm start, jailer and TAP: ember's own share", own, 60)];
}

/** From the jailer's start until there is the hypervisor's socket, with nothing of ember. */
async function startInstant(tools: string, home: string): Promise<number> {
  const root = join(home, "firecracker", "bare", "root");
  const socket = join(root, "api.sock");
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  const args = ["--id", "bare", "--exec-file", join(tools, "firecracker"), "--chroot-base-dir", home];
  const started = performance.now();
  const jailer = spawn(join(tools, "jailer"), [...args, "--", "--api-sock", "api.sock"], { stdio: "ignore" });
  while (!existsSync(socket)) await sleep(1);
  const elapsed = performance.now() - started;
  if (jailer.exitCode === null) await new Promise((resolve) => jailer.once("exit", resolve));
  process.kill(Number(readFileSync(join(root, "firecracker.pid"), "utf8")), "SIGKILL");
  return elapsed;
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
