import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Hypervisor, VmSpec } from "../../../src/hypervisor/hypervisor.ts";
import { codeOf, Workshop } from "./workshop.ts";

/** Expects a start to fail with that code, and to leave nothing. */
async function refused(
  hypervisor: Hypervisor,
  workshop: Workshop,
  spec: VmSpec,
  code: string,
): Promise<void> {
  expect(await codeOf(hypervisor.start(spec))).toBe(code);
  expect(workshop.find(spec)).toBeUndefined();
}

export function refusalTests(factory: () => Hypervisor): void {
  test("a disk that a VM uses is refused to another, and to the same one again", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const drives = [{ path: workshop.disk(), format: "raw", readOnly: false }] as const;
    const spec = workshop.spec({ drives });
    const machine = await hypervisor.start(spec);
    if (hypervisor.capabilities().locksDisks)
      await refused(hypervisor, workshop, workshop.spec({ drives }), "wrong-state");
    expect(await codeOf(hypervisor.start(spec))).toBe("wrong-state");
    expect(await hypervisor.status(machine)).toBe("running");
    await hypervisor.kill(machine);
    expect(workshop.remains()).toEqual([]);
  });

  test("a file that is no kernel is refused, whatever it is", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const kernelPath = join(workshop.folder, "bad");
    for (const content of ["", "text".repeat(5000), Buffer.alloc(100_000), Buffer.alloc(5_000_000, 0x90)]) {
      writeFileSync(kernelPath, content);
      await refused(hypervisor, workshop, workshop.spec({ kernelPath }), "kernel-invalid");
    }
    await refused(hypervisor, workshop, workshop.spec({ kernelPath: process.execPath }), "kernel-invalid");
    const missing = workshop.spec({ kernelPath: join(workshop.folder, "missing") });
    await refused(hypervisor, workshop, missing, "kernel-not-found");
    expect(workshop.remains()).toEqual([]);
  });

  test("a missing initrd or disk is an error that names it", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const missing = join(workshop.folder, "not, there");
    const drives = [{ path: missing, format: "raw", readOnly: false }] as const;
    for (const spec of [workshop.spec({ initrdPath: missing }), workshop.spec({ drives })]) {
      await expect(hypervisor.start(spec)).rejects.toThrow("not, there");
    }
    expect(workshop.remains()).toEqual([]);
  });

  test("a start that is aborted, whenever, leaves no process and no socket", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    for (const afterMs of [0, 1, 3, 5, 8, 12, 16, 20, 25]) {
      const abort = new AbortController();
      const starting = hypervisor.start(workshop.spec(), abort.signal);
      setTimeout(() => abort.abort(), afterMs);
      const outcome = await starting.catch((error: unknown) => error);
      if (!(outcome instanceof Error)) await hypervisor.kill(await starting);
      else expect(outcome).toHaveProperty("code", "interrupted");
      expect(workshop.remains()).toEqual([]);
    }
    expect(await codeOf(hypervisor.start(workshop.spec(), AbortSignal.abort()))).toBe("interrupted");
  });

  test("more memory than the host can give is refused as the host's fault", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    await refused(hypervisor, workshop, workshop.spec({ memoryBytes: 2 ** 50 }), "host-unsupported");
    expect(workshop.remains()).toEqual([]);
  });

  test("a runtime folder too long for a socket is refused before anything is started", async () => {
    const hypervisor = factory();
    await using workshop = new Workshop(hypervisor);
    const runtimeFolder = join(workshop.runtimeFolder, "x".repeat(120));
    await refused(hypervisor, workshop, workshop.spec({ runtimeFolder }), "host-unsupported");
  });
}
