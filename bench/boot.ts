import { spawn } from "node:child_process";
import { copyFileSync, existsSync, linkSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AgentTarget } from "../src/guest/channel.ts";
import { waitForAgent } from "../src/guest/ready.ts";
import { type BenchInstallation, executable } from "./installation.ts";
import { interleave, type Result, ratioResult } from "./measure.ts";
import { agentOf, vmIdOf } from "./records.ts";

/**
 * `ember vm start`, whole process, against the bare QEMU command: the same binary, arguments, kernel, initrd and disk,
 * until the same agent answers the same way.
 */
export async function measureBoot(bench: BenchInstallation): Promise<Result> {
  const vmId = vmIdOf(bench, "seed");
  const folder = join(bench.stateDir, "vms", vmId);
  const bare = await captureCommand(bench, vmId, folder);
  const [ours, theirs] = await interleave(5, [
    () => {
      const elapsed = bench.ember("vm", "start", "seed");
      bench.ember("vm", "stop", "--force", "seed");
      return elapsed;
    },
    () => bootBare(bare, vmId, folder),
  ]);
  if (ours === undefined || theirs === undefined) throw new Error("nothing was measured");
  return ratioResult("vm start until the agent answers", ours, theirs, "bare QEMU", 1.1);
}

interface BareBoot {
  readonly command: readonly string[];
  readonly initrd: string;
  readonly target: AgentTarget;
}

/** Starts the VM once and keeps what its hypervisor was started with. */
async function captureCommand(bench: BenchInstallation, vmId: string, folder: string): Promise<BareBoot> {
  const initrd = join(bench.home, "initrd");
  const starting = spawn(executable, ["vm", "start", "seed"], { env: bench.env, stdio: "ignore" });
  while (!existsSync(join(folder, "console.log"))) await sleep(5);
  linkSync(join(folder, "initrd"), initrd);
  await new Promise((resolve) => starting.on("close", resolve));
  const { pid, target } = agentOf(bench, vmId);
  const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  bench.ember("vm", "stop", "--force", "seed");
  return { command, initrd, target };
}

async function bootBare(bare: BareBoot, vmId: string, folder: string): Promise<number> {
  copyFileSync(bare.initrd, join(folder, "initrd"));
  const consolePath = join(folder, "console.log");
  rmSync(consolePath, { force: true });
  const [program = "", ...args] = bare.command;
  const started = performance.now();
  const machine = spawn(program, args, { cwd: folder, stdio: "ignore" });
  try {
    await waitForAgent(bare.target, {
      vmId,
      timeoutMs: 120_000,
      isAlive: () => machine.exitCode === null,
      consolePath,
    });
    return performance.now() - started;
  } finally {
    machine.kill("SIGKILL");
    await new Promise((resolve) =>
      machine.exitCode === null && machine.signalCode === null ? machine.on("exit", resolve) : resolve(0),
    );
  }
}
