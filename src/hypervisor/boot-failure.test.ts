import { describe, expect, test } from "bun:test";
import { explainBoot } from "./boot-failure.ts";

const kernel = "[    0.000000] Linux version 6.1.0\r\n[    0.500000] Run /init as init process\r\n";

describe("explainBoot", () => {
  test("nothing printed, or only what moves a cursor, means that the kernel never ran", () => {
    expect(explainBoot("").stage).toBe("no-output");
    expect(explainBoot("\u001bc\u001b[?7l\u001b[2J\r\n \r\n").stage).toBe("no-output");
  });

  test("a panic gives its reason and what stood before it, not the call trace", () => {
    const found = explainBoot(
      `${kernel}[ 1.6] nvme: dead\n[ 1.7] Kernel panic - not syncing: Fatal exception\n[ 1.7]  dump_stack+0x1\n`,
    );
    expect(found.stage).toBe("panic");
    expect(found.detail).toContain("(Fatal exception)");
    expect(found.detail).toContain("nvme: dead");
    expect(found.detail).not.toContain("dump_stack");
  });

  test("a kernel that finds nothing to run is told apart", () => {
    const text = "[ 1.6] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)";
    expect(explainBoot(kernel + text).stage).toBe("no-root");
  });

  test("what ember-guest said last counts more than the panic that follows its end", () => {
    const found = explainBoot(
      `${kernel}ember-guest: fatal: first\nember-guest: fatal: no disk /dev/vda\n[ 2.0] Kernel panic - not syncing: Attempted to kill init!`,
    );
    expect(found).toEqual({
      stage: "agent-failed",
      detail: "ember-guest could not go on: no disk /dev/vda",
    });
  });

  test("a kernel without the agent shows its last lines", () => {
    const found = explainBoot(kernel);
    expect(found.stage).toBe("no-agent");
    expect(found.detail).toContain("ember-guest did not; last printed: Linux version 6.1.0 | Run /init");
    expect(explainBoot(`${kernel}ember-guest: agent ready\n`).detail).toContain("ember-guest started");
  });

  test("hostile text comes out as one short line without escapes, and quickly", () => {
    const sequences = "\u001b]0;title\u0007\u001b[31mred\u001b[0m \u202etxt.exe\u0000";
    for (const text of [
      sequences.repeat(20_000),
      `${"\r".repeat(300_000)}x`,
      `${" ".repeat(300_000)}x`,
      "\u001b[".repeat(150_000),
      `\u001b]${"a".repeat(300_000)}`,
      `Kernel panic - not syncing: ${"y".repeat(200_000)}`,
      `ember-guest: fatal: ${"z".repeat(200_000)}`,
    ]) {
      const { detail } = explainBoot(text);
      expect(detail.length).toBeLessThan(1000);
      expect(detail).not.toMatch(/\p{C}/u);
    }
  });
});
