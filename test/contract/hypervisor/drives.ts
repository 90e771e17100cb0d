import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { statSync, truncateSync } from "node:fs";
import type { Hypervisor } from "../../../src/hypervisor/hypervisor.ts";
import { skipUnless } from "../../support/require.ts";
import { codeOf, Workshop } from "./workshop.ts";

const mib = 2 ** 20;

export function driveTests(factory: () => Hypervisor): void {
  const hypervisor = factory();
  const resize = hypervisor.resizeDrive;
  if (resize !== undefined) {
    test("a disk in a file grows while its VM runs or is paused, whoever makes the file larger", async () => {
      await using workshop = new Workshop(hypervisor);
      const drives = ["first.raw", "second.raw"].map((name) => ({
        path: workshop.disk(name),
        format: "raw" as const,
        readOnly: false,
      }));
      const second = drives[1]?.path ?? "";
      const machine = await hypervisor.start(workshop.spec({ drives }));
      await resize(machine, 1, 8 * mib);
      await resize(machine, 1, 8 * mib);
      expect(statSync(second).size).toBe(8 * mib);
      await hypervisor.pause(machine);
      truncateSync(second, 16 * mib);
      await resize(machine, 1, 16 * mib);
      expect(statSync(second).size).toBe(16 * mib);
      expect(statSync(drives[0]?.path ?? "").size).toBe(mib);
      expect(await codeOf(resize(machine, 2, 16 * mib))).toBe("hypervisor-failed");
      await hypervisor.kill(machine);
      expect(await codeOf(resize(machine, 1, 32 * mib))).toBe("wrong-state");
    });
  }

  const loop = spawnSync("losetup", ["--find"], { encoding: "utf8" });
  const blockDevices = loop.status === 0 && process.getuid?.() === 0;
  test.skipIf(skipUnless("loop", blockDevices, "loop devices need root and /dev/loop-control"))(
    "a disk may be a block device, and grows after that has grown",
    async () => {
      await using workshop = new Workshop(hypervisor);
      const file = workshop.disk();
      const path = losetup("--find", "--show", file);
      try {
        const drives = [{ path, format: "raw", readOnly: false }] as const;
        const machine = await hypervisor.start(workshop.spec({ drives }));
        expect(await hypervisor.status(machine)).toBe("running");
        truncateSync(file, 8 * mib);
        losetup("--set-capacity", path);
        await resize?.(machine, 0, 8 * mib);
        await resize?.(machine, 0, 8 * mib);
        await hypervisor.kill(machine);
      } finally {
        losetup("--detach", path);
      }
    },
  );
}

function losetup(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("losetup", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`losetup ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}
