import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { skipUnless } from "../../../test/support/require.ts";
import { randomHex } from "../random.ts";
import { type Containment, findContainment } from "./containment.ts";
import { groupFiles } from "./files.ts";
import { memoryMax } from "./limits.ts";
import { findPlace } from "./place.ts";

const isRoot = process.getuid?.() === 0;
const place = findPlace({ files: groupFiles, isRoot });
const reason =
  place.folder === undefined
    ? place.reason
    : place.missing.length > 0
      ? `cgroup v2 lacks ${place.missing.join(" and ")}`
      : !isRoot
        ? "processes are moved between groups as root"
        : undefined;
const skip = skipUnless("cgroup2", reason === undefined, `control groups: ${reason}`);

const mebibyte = 1024 ** 2;

describe.skipIf(skip)("the kernel's control groups", () => {
  let id = "";
  let containment: Containment;
  const told: string[] = [];
  const outside = (): string => join(place.folder ?? "", `ember-${id}-outside`);
  const started: ChildProcess[] = [];

  beforeEach(() => {
    id = randomHex(4);
    told.length = 0;
    containment = findContainment(id, 50, { notice: (line) => told.push(line) });
  });
  afterEach(async () => {
    for (const child of started.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    containment.close();
    groupFiles.removeGroup(outside());
    expect(told).toEqual([]);
    expect(groupFiles.groupsIn(place.folder ?? "").filter((name) => name.includes(id))).toEqual([]);
  });

  /** A shell in `group` that goes on with `script` once it is there. */
  function startIn(group: string, script: string): ChildProcess {
    const child = spawn("sh", ["-c", `read -r line; ${script}`], { stdio: ["pipe", "ignore", "ignore"] });
    started.push(child);
    expect(containment.enter(group, child.pid ?? 0)).toBe(true);
    child.stdin?.write("\n");
    return child;
  }

  const prepare = (vmId: string): string => {
    const folder = containment.prepare(vmId, { memoryBytes: 64 * mebibyte });
    if (folder === undefined) throw new Error(`there is no group: ${told}`);
    return folder;
  };

  const usage = (group: string): number =>
    Number(/^usage_usec (\d+)$/m.exec(readFileSync(join(group, "cpu.stat"), "utf8"))?.[1]);

  test("take the limits, and go again", () => {
    const folder = prepare("vm1");
    const read = (name: string): string => readFileSync(join(folder, name), "utf8").trim();
    expect(read("memory.max")).toBe(String(memoryMax({ memoryBytes: 64 * mebibyte })));
    expect([read("memory.oom.group"), read("pids.max"), read("../cpu.weight")]).toEqual(["1", "1024", "50"]);
    expect(prepare("vm1")).toBe(folder);
    containment.setWeight(7);
    expect(read("../cpu.weight")).toBe("7");
    containment.remove("vm1");
    containment.remove("vm1");
    expect(existsSync(folder)).toBe(false);
  });

  test("give a fleet half of what the host's other work has on the same processor", async () => {
    const fleet = prepare("vm1");
    groupFiles.makeGroup(outside());
    const loop = "taskset -p -c 0 $$ >/dev/null; while :; do :; done";
    startIn(fleet, loop);
    startIn(outside(), loop);
    await sleep(2000); // until both loop
    const before = [usage(fleet), usage(outside())];
    await sleep(6000);
    const [ours = 0, theirs = 0] = [usage(fleet), usage(outside())].map((now, at) => now - (before[at] ?? 0));
    const share = ours / (ours + theirs);
    process.stderr.write(`the fleet had ${Math.round(share * 100)} % with weight 50 against 100\n`);
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.45);
  }, 60_000);

  test("end a hypervisor that takes more memory than its VM may, as a whole and alone", async () => {
    const folder = prepare("vm1");
    const other = startIn(prepare("vm2"), "exec sleep 1000");
    const bystander = startIn(folder, "exec sleep 1000");
    const gone = once(bystander, "exit");
    const greedy = startIn(folder, "exec dd if=/dev/zero of=/dev/null bs=400M count=1");
    expect(await once(greedy, "exit")).toEqual([null, "SIGKILL"]);
    expect(await gone).toEqual([null, "SIGKILL"]);
    expect(readFileSync(join(folder, "memory.events"), "utf8")).toMatch(/^oom_kill [1-9]/m);
    expect(other.exitCode ?? other.signalCode).toBe(null);
    containment.remove("vm1");
    expect(existsSync(folder)).toBe(false);
  }, 60_000);
});
