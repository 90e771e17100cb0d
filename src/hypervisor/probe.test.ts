import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import { ownIdentity } from "../host/process-identity.ts";
import type { Accelerator, Hypervisor, Machine, VmSpec } from "./hypervisor.ts";
import { type AccelerationTrial, probeAcceleration } from "./probe.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-probe-test-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function trial(): AccelerationTrial {
  return { kernelPath: "/kernel", initrdPath: "/initrd", folder, runtimeFolder: "/run/x" };
}

/** A hypervisor whose guests print `text`; a `start` of its own may fail instead. */
function fake(text: string, failure?: EmberError, accelerators: Accelerator[] = ["kvm", "tcg"]) {
  const started: VmSpec[] = [];
  const killed: string[] = [];
  const start = async (spec: VmSpec): Promise<Machine> => {
    started.push(spec);
    if (failure !== undefined) throw failure;
    writeFileSync(join(spec.folder, spec.consoleLog), text);
    const { vmId, runtimeFolder } = spec;
    return { vmId, folder: spec.folder, runtimeFolder, process: ownIdentity() };
  };
  const hypervisor: Hypervisor = {
    name: "fake",
    probe: async () => ({ usable: true, version: "1", binary: "/x" }),
    capabilities: () => ({
      accelerators,
      nics: [],
      diskFormats: ["raw"],
      guestPowerOff: "poweroff",
      agentTransport: "tcp",
      maxCpus: 1,
      locksDisks: true,
    }),
    start,
    find: (vmId, place, runtimeFolder) => ({ vmId, folder: place, runtimeFolder, process: ownIdentity() }),
    pressPowerButton: async () => undefined,
    kill: async (machine) => void killed.push(machine.vmId),
    pause: async () => undefined,
    resume: async () => undefined,
    status: async () => "running",
    usage: async () => undefined,
  };
  return { hypervisor, started, killed };
}

describe("the trial of hardware virtualisation", () => {
  test("a guest that answers decides for the hardware, and is killed", async () => {
    const { hypervisor, started, killed } = fake("[ 0.1] Linux\r\nember-guest: probe ok\r\n");
    const found = await probeAcceleration(hypervisor, trial());
    expect(found).toEqual({ accelerator: "kvm", reason: "a guest ran under kvm" });
    expect(started[0]).toMatchObject({ accelerator: "kvm", bootArguments: "ember.probe", drives: [] });
    expect(killed).toEqual(started.map((spec) => spec.vmId));
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a guest that hangs decides for emulation, and the reason says how far it came", async () => {
    for (const [text, part] of [
      ["", "the kernel printed nothing"],
      ["[ 0.1] Linux version\n", "the kernel started"],
    ] as const) {
      const { hypervisor, killed } = fake(text);
      const found = await probeAcceleration(hypervisor, trial(), { limitMs: 50 });
      expect(found.accelerator).toBe("tcg");
      expect(found.reason).toContain(part);
      expect(killed).toHaveLength(1);
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  test("a hypervisor that cannot use the hardware decides for emulation, with its reason", async () => {
    const { hypervisor } = fake("", new EmberError("host-unsupported", "no such device"));
    expect(await probeAcceleration(hypervisor, trial())).toEqual({
      accelerator: "tcg",
      reason: "no such device",
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a fault that is not the hardware's is no answer", async () => {
    for (const code of ["kernel-invalid", "tool-missing"] as const) {
      const { hypervisor } = fake("", new EmberError(code, "x"));
      await expect(probeAcceleration(hypervisor, trial())).rejects.toMatchObject({ code });
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a driver that only emulates starts nothing", async () => {
    const { hypervisor, started } = fake("", undefined, ["tcg"]);
    expect((await probeAcceleration(hypervisor, trial())).accelerator).toBe("tcg");
    expect(started).toEqual([]);
  });

  test("an interrupted trial gives no answer and leaves nothing", async () => {
    const { hypervisor, killed } = fake("");
    const options = { signal: AbortSignal.timeout(30) };
    await expect(probeAcceleration(hypervisor, trial(), options)).rejects.toMatchObject({
      code: "interrupted",
    });
    expect(killed).toHaveLength(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("what a killed trial left is cleared; one that is under way is not", async () => {
    const dead = "probe-4194304-0123456789ab"; // no process has a number that high
    const alive = `probe-${process.pid}-0123456789ab`;
    for (const name of [dead, alive, "other"]) mkdirSync(join(folder, name));
    const { hypervisor, killed } = fake("ember-guest: probe ok");
    await probeAcceleration(hypervisor, trial());
    expect(killed[0]).toBe(dead);
    expect(readdirSync(folder).sort()).toEqual(["other", alive].sort());
  });
});
