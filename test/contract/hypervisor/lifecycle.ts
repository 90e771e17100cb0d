import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { isAlive } from "../../../src/host/process-identity.ts";
import { frameSocket } from "../../../src/hypervisor/frame-socket.ts";
import type { Hypervisor } from "../../../src/hypervisor/hypervisor.ts";
import { awkwardName, bootText, codeOf, until, Workshop } from "./workshop.ts";

/** Whether a program could connect there; it is gone then. */
async function isTakenUp(path: string): Promise<boolean> {
  const program = connect(path);
  const taken = await once(program, "connect").then(
    () => true,
    () => false,
  );
  program.destroy();
  return taken;
}

export function lifecycleTests(factory: () => Hypervisor): void {
  test("a VM starts, is paused and resumed, and is gone when killed", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const spec = workshop.spec();
    const machine = await hypervisor.start(spec);
    expect(isAlive(machine.process)).toBe(true);
    expect(await hypervisor.status(machine)).toBe("running");
    await until(() => workshop.console(spec).includes(bootText));
    await hypervisor.pause(machine);
    expect(await hypervisor.status(machine)).toBe("paused");
    await hypervisor.resume(machine);
    expect(await hypervisor.status(machine)).toBe("running");
    await hypervisor.kill(machine);
    expect(await hypervisor.status(machine)).toBe("gone");
    expect(workshop.remains()).toEqual([]);
  });

  test("doing anything twice is as good as once", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const machine = await hypervisor.start(workshop.spec());
    await hypervisor.pause(machine);
    await hypervisor.pause(machine);
    await hypervisor.resume(machine);
    await hypervisor.resume(machine);
    await hypervisor.pressPowerButton(machine);
    await hypervisor.kill(machine);
    await hypervisor.kill(machine);
    await hypervisor.pressPowerButton(machine);
    expect(await codeOf(hypervisor.pause(machine))).toBe("wrong-state");
    expect(await codeOf(hypervisor.resume(machine))).toBe("wrong-state");
    expect(await hypervisor.usage(machine)).toBeUndefined();
    expect(workshop.remains()).toEqual([]);
  });

  test("a VM is found by its id alone, and killed by what was found", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const spec = workshop.spec();
    expect(workshop.find(spec)).toBeUndefined();
    const machine = await hypervisor.start(spec);
    const other = await hypervisor.start(workshop.spec());
    const found = workshop.find(spec);
    expect(machine).toMatchObject({ ...found });
    if (found !== undefined) await hypervisor.kill(found);
    expect(workshop.find(spec)).toBeUndefined();
    expect(await hypervisor.status(other)).toBe("running");
  });

  test("a VM can be started again right after it was killed, on the same disk", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const drives = [{ path: workshop.disk(), format: "raw", readOnly: false }] as const;
    const spec = workshop.spec({ drives, memoryBytes: 256 * 2 ** 20 });
    for (let round = 0; round < 5; round++) await hypervisor.kill(await hypervisor.start(spec));
    expect(workshop.remains()).toEqual([]);
  });

  test("a folder of 150 bytes with spaces, commas and quotes is a folder like any other", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor, awkwardName);
    const drives = [
      { path: workshop.disk(), format: "raw", readOnly: false },
      { path: workshop.disk("second.raw"), format: "raw", readOnly: true },
    ] as const;
    const spec = workshop.spec({ drives, consoleLog: "console, of a VM.log", bootArguments: "a=b,c d" });
    const machine = await hypervisor.start(spec);
    expect(await hypervisor.status(machine)).toBe("running");
    await until(() => workshop.console(spec).includes(bootText));
    await hypervisor.kill(machine);
    expect(workshop.remains()).toEqual([]);
  });

  test("what a killed ember left behind does not hinder a start", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const spec = workshop.spec();
    const first = await hypervisor.start(spec);
    process.kill(first.process.pid, "SIGKILL"); // leaves its sockets behind
    await until(() => !isAlive(first.process));
    const machine = await hypervisor.start(spec);
    expect(await hypervisor.status(machine)).toBe("running");
    expect(await hypervisor.status(first)).toBe("gone");
    await hypervisor.kill(first); // must not touch the second one's sockets
    expect(await hypervisor.status(machine)).toBe("running");
  });

  test("only the owner can read the logs and reach the sockets", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const spec = workshop.spec();
    await hypervisor.start(spec);
    expect(statSync(spec.runtimeFolder).mode & 0o777).toBe(0o700);
    expect(statSync(join(spec.folder, spec.consoleLog)).mode & 0o077).toBe(0);
  });

  test("commands that ask at the same time all get an answer, also behind a client that says nothing", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const spec = workshop.spec();
    const machine = await hypervisor.start(spec);
    const silent = workshop.sockets(spec).map((path) => connect(path));
    expect(silent.length).toBeGreaterThan(0);
    setTimeout(() => {
      for (const socket of silent) socket.destroy();
    }, 300);
    const answers = await Promise.all(Array.from({ length: 12 }, () => hypervisor.status(machine)));
    expect(new Set(answers)).toEqual(new Set(["running"]));
  });

  test("a stream of frames is taken up by one program after another, and its socket goes with the VM", async () => {
    const hypervisor = factory();
    if (hypervisor.capabilities().frames !== "stream") return;
    await using workshop = new Workshop(hypervisor);
    const { vmId, runtimeFolder } = workshop.spec();
    const path = frameSocket(runtimeFolder, vmId);
    const nic = { kind: "socket", mac: "52:54:00:00:00:01", mtu: 65_520, path } as const;
    const machine = await hypervisor.start(workshop.spec({ vmId, nic }));
    for (let round = 0; round < 3; round++) await until(() => isTakenUp(path));
    expect(await hypervisor.status(machine)).toBe("running");
    await hypervisor.kill(machine);
    expect(workshop.remains()).toEqual([]);
  });

  test("usage tells processor time and memory", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const machine = await hypervisor.start(workshop.spec());
    const usage = await hypervisor.usage(machine);
    expect(usage?.cpuSeconds).toBeGreaterThanOrEqual(0);
    expect(usage?.residentBytes).toBeGreaterThan(2 ** 20);
  });

  test("a process that merely names the VM is not taken for its hypervisor", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const spec = workshop.spec();
    const script = join(workshop.folder, "wait.sh");
    writeFileSync(script, "read line");
    const bystander = spawn("sh", [script, `ember-${spec.vmId}`], { stdio: ["pipe", "ignore", "ignore"] });
    try {
      await once(bystander, "spawn");
      expect(workshop.find(spec)).toBeUndefined();
    } finally {
      bystander.kill("SIGKILL");
      await once(bystander, "exit");
    }
  });
}
