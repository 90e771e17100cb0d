import { Lab } from "../test/lab/lab.ts";
import { executable } from "./installation.ts";
import { interleave, type Result, timeProcess } from "./measure.ts";

/** zfs and dm-thin, measured in an emulated guest whose kernel has them. */
export async function measureLab(): Promise<Result[]> {
  await using lab = await Lab.boot();
  const [here] = await interleave(5, [() => timeProcess([executable, "version"], { PATH: "/usr/bin:/bin" })]);
  const probe =
    "import { interleave, timeProcess } from './bench/measure.ts';" +
    "const [m] = await interleave(5, [() => timeProcess(['dist/ember', 'version'], { PATH: '/usr/bin:/bin' })]);" +
    "console.log(m.medianMs)";
  const there = await lab.run(["bun", "-e", probe]);
  const slower = Number(there.stdout.trim()) / (here?.medianMs ?? Number.NaN);
  console.log(`the lab's guest is ${slower.toFixed(1)} times slower than this host`);
  // Not in the guest's memory: the data would not fit.
  const command = [
    "env",
    "TMPDIR=/var/tmp",
    "bun",
    "--conditions=linux",
    "bench/lab-guest.ts",
    String(slower),
  ];
  const { status, stdout, stderr } = await lab.run(command, { timeoutMs: 3_600_000 });
  if (status !== 0) throw new Error(`the measurement in the lab ended with ${status}: ${stderr}`);
  const results: Result[] = JSON.parse(stdout.trim().split("\n").at(-1) ?? "[]");
  return results;
}
