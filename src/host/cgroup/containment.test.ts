import { describe, expect, test } from "bun:test";
import { type Containment, findContainment } from "./containment.ts";
import { memoryMax } from "./limits.ts";
import { FakeGroups } from "./testing/fake-groups.ts";

const id = "0a1b2c3d";
const top = "/sys/fs/cgroup";
const ours = `${top}/ember-${id}`;
const gibibyte = 1024 ** 3;

function containmentIn(files: FakeGroups, isRoot = true): Containment & { readonly told: string[] } {
  const told: string[] = [];
  const found = findContainment(id, 50, { files, isRoot, notice: (line) => told.push(line) });
  return Object.assign(found, { told });
}

const all = ["cpuset", "cpu", "io", "memory", "pids"];

describe("the groups of an installation", () => {
  test("are not made before the first VM is", () => {
    const files = new FakeGroups(all);
    expect(containmentIn(files)).toMatchObject({ available: true, reason: `control groups in '${ours}'` });
    expect(files.writes).toBe(0);
    expect([...files.groups.keys()]).toEqual([top]);
  });

  test("have a weight for all VMs, and limits for each", () => {
    const files = new FakeGroups(all);
    const containment = containmentIn(files);
    const folder = containment.prepare("vm1", { memoryBytes: gibibyte });
    expect(folder).toBe(`${ours}/vm1`);
    expect(files.file(`${ours}/cpu.weight`)).toBe("50");
    expect(files.file(`${ours}/vm1/memory.max`)).toBe(String(memoryMax({ memoryBytes: gibibyte })));
    expect(files.file(`${ours}/vm1/memory.oom.group`)).toBe("1");
    expect(files.file(`${ours}/vm1/pids.max`)).toBe("1024");
    expect(containment.enter(folder ?? "", 4711)).toBe(true);
    expect(files.groups.get(`${ours}/vm1`)?.processes).toEqual([4711]);
    expect(containment.told).toEqual([]);
  });

  test("are made once, and their limits brought up to date", () => {
    const files = new FakeGroups(all);
    const containment = containmentIn(files);
    containment.enter(containment.prepare("vm1", { memoryBytes: gibibyte }) ?? "", 7);
    expect(containment.prepare("vm1", { memoryBytes: 2 * gibibyte })).toBe(`${ours}/vm1`);
    expect(containment.prepare("vm2", { memoryBytes: gibibyte })).toBe(`${ours}/vm2`);
    expect(files.file(`${ours}/vm1/memory.max`)).toBe(String(memoryMax({ memoryBytes: 2 * gibibyte })));
    expect(containment.told).toEqual([]);
  });

  test("go with the VM, and with the installation", () => {
    const files = new FakeGroups(all);
    const containment = containmentIn(files);
    containment.prepare("vm1", { memoryBytes: gibibyte });
    containment.prepare("vm2", { memoryBytes: gibibyte });
    containment.remove("vm1");
    containment.remove("vm1");
    expect(files.groupsIn(ours)).toEqual(["vm2"]);
    files.makeGroup(`${ours}/vm2/inner`);
    containment.close();
    containment.close();
    expect([...files.groups.keys()]).toEqual([top]);
    expect(containment.told).toEqual([]);
  });

  test("are waited for while a killed process goes; one that stays is told of", () => {
    const files = new FakeGroups(all);
    const containment = containmentIn(files);
    const folder = containment.prepare("vm1", { memoryBytes: gibibyte }) ?? "";
    files.busy = 3;
    containment.remove("vm1");
    expect(files.groups.has(folder)).toBe(false);
    containment.enter(containment.prepare("vm1", { memoryBytes: gibibyte }) ?? "", 7);
    containment.remove("vm1");
    expect(files.groups.has(folder)).toBe(true);
    expect(containment.told).toEqual([`the control group '${folder}' is left: EBUSY`]);
  });

  test("take another weight, when they are there", () => {
    const files = new FakeGroups(all);
    const containment = containmentIn(files);
    containment.setWeight(20);
    expect(files.groups.has(ours)).toBe(false);
    containment.prepare("vm1", { memoryBytes: gibibyte });
    containment.setWeight(20);
    expect(files.file(`${ours}/cpu.weight`)).toBe("20");
    expect(containment.told).toEqual([]);
  });

  test("bound what they can when controllers are missing, and say what they cannot", () => {
    const files = new FakeGroups(["memory", "pids"]);
    const containment = containmentIn(files);
    expect(containment.reason).toContain("without cpu");
    expect(containment.prepare("vm1", { memoryBytes: gibibyte })).toBe(`${ours}/vm1`);
    containment.setWeight(20);
    expect(files.file(`${ours}/vm1/pids.max`)).toBe("1024");
    expect(containment.told).toEqual([]);
  });

  test("that cannot be made stop nothing, leave nothing, and are told of once", () => {
    const files = new FakeGroups(all);
    files.broken = "memory.max";
    const containment = containmentIn(files);
    expect(containment.prepare("vm1", { memoryBytes: gibibyte })).toBeUndefined();
    expect(containment.prepare("vm2", { memoryBytes: gibibyte })).toBeUndefined();
    expect(files.groupsIn(ours)).toEqual([]);
    expect(containment.enter(`${ours}/vm1`, 7)).toBe(false);
    expect(containment.told).toEqual(["limits for VM vm1 cannot be set: EIO"]);
  });

  test.each(["..", "../x", "a/b", "", ".", "cpu.weight", "a".repeat(65)])("have no VM called %p", (name) => {
    const files = new FakeGroups(all);
    const containment = containmentIn(files);
    expect(containment.prepare(name, { memoryBytes: gibibyte })).toBeUndefined();
    containment.remove(name);
    expect(files.writes).toBe(0);
  });
});

describe("groups are not available, and VMs start without, where", () => {
  function reasonIn(files: FakeGroups, isRoot = true): string {
    const containment = containmentIn(files, isRoot);
    expect(containment.available).toBe(false);
    for (const vm of ["vm1", "vm2"]) expect(containment.prepare(vm, { memoryBytes: 1 })).toBeUndefined();
    expect(containment.enter("/", 1)).toBe(false);
    containment.remove("vm1");
    containment.setWeight(1);
    containment.close();
    expect(files.writes).toBe(0);
    expect(containment.told).toEqual([
      `VMs run without limits on what they take from the host: ${containment.reason}`,
    ]);
    return containment.reason;
  }

  test("cgroup v2 is not mounted", () => {
    const files = new FakeGroups(all);
    files.proc.set("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n");
    expect(reasonIn(files)).toBe("cgroup v2 is not mounted");
  });

  test("the system has no control groups", () => {
    const files = new FakeGroups(all);
    files.proc.clear();
    expect(reasonIn(files)).toContain("ENOENT");
  });

  test("v1 has the controllers", () => {
    const files = new FakeGroups([], "/sys/fs/cgroup/unified");
    expect(reasonIn(files)).toContain("'/sys/fs/cgroup/unified' has no controllers");
  });

  test("it is mounted read-only", () => {
    const files = new FakeGroups(all);
    files.proc.set("/proc/self/mountinfo", `30 24 0:26 / ${top} ro,nosuid - cgroup2 cgroup2 rw\n`);
    expect(reasonIn(files)).toContain("read-only");
  });

  test("a container's top group holds processes", () => {
    const files = new FakeGroups(all, "/");
    files.groups.set(top, { controllers: all, files: new Map(), processes: [1] });
    files.proc.set("/proc/self/mountinfo", `30 24 0:26 / ${top} rw - cgroup2 cgroup2 rw\n`);
    files.groups.set("/sys/fs", { controllers: all, files: new Map(), processes: [] });
    expect(reasonIn(files)).toContain("holds processes itself");
  });

  test("nothing was delegated to the user", () => {
    const files = new FakeGroups(all);
    files.foreign.add(top);
    files.proc.set("/proc/self/cgroup", "0::/\n");
    expect(reasonIn(files, false)).toContain("is this user's to change");
  });
});

describe("a user's groups", () => {
  const slice = `${top}/user.slice`;
  const service = `${slice}/user@1000.service`;

  function userSession(): FakeGroups {
    const files = new FakeGroups(all);
    files.write(`${top}/cgroup.subtree_control`, "+memory +pids");
    files.makeGroup(slice);
    files.write(`${slice}/cgroup.subtree_control`, "+memory +pids");
    files.makeGroup(service);
    files.makeGroup(`${service}/run.scope`);
    for (const group of [top, slice]) files.foreign.add(group);
    files.proc.set("/proc/self/cgroup", "1:cpu:/x\n0::/user.slice/user@1000.service/run.scope\n");
    return files;
  }

  test("are made in the topmost group that was delegated", () => {
    const containment = containmentIn(userSession(), false);
    expect(containment.prepare("vm1", { memoryBytes: gibibyte })).toBe(`${service}/ember-${id}/vm1`);
    expect(containment.reason).toContain("without cpu");
    expect(containment.told).toEqual([]);
  });

  test("are found where the hierarchy is mounted from a group of its own", () => {
    const files = userSession();
    files.proc.set("/proc/self/mountinfo", `30 24 0:26 /outer ${top} rw - cgroup2 cgroup2 rw\n`);
    files.proc.set("/proc/self/cgroup", "0::/outer/user.slice/user@1000.service/run.scope\n");
    expect(containmentIn(files, false).prepare("vm1", { memoryBytes: 1 })).toContain(service);
    files.proc.set("/proc/self/cgroup", "0::/elsewhere/user.slice\n");
    expect(containmentIn(files, false).available).toBe(false);
  });
});

test("a VM's group leaves the hypervisor room, and more for large guests and emulation", () => {
  const overhead = (memoryBytes: number, emulated = false): number =>
    (memoryMax({ memoryBytes, emulated }) - memoryBytes) / 1024 ** 2;
  expect(overhead(gibibyte)).toBe(160);
  expect(overhead(64 * gibibyte)).toBe(128 + 2048);
  expect(overhead(gibibyte, true)).toBe(160 + 1024);
});
