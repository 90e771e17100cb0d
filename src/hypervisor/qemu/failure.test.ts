import { describe, expect, test } from "bun:test";
import { startFailure } from "./failure.ts";

const program = "qemu-system-x86_64";

describe("why QEMU ended", () => {
  for (const [text, code, part] of [
    [
      '-device virtio-blk-pci,drive=d: Failed to get "write" lock\nIs another process using the image [/a/b]?',
      "wrong-state",
      "disk is in use",
    ],
    ["Error loading uncompressed kernel without PVH ELF Note", "kernel-invalid", "without PVH"],
    ["cannot set up guest memory 'pc.ram': Cannot allocate memory", "host-unsupported", "memory"],
    ["Could not access KVM kernel module: Permission denied", "host-unsupported", "Permission denied"],
    ["something new", "hypervisor-failed", "(exit status 1): something new"],
  ] as const) {
    test(`"${text.slice(0, 60)}" is ${code}`, () => {
      const error = startFailure(`${program}: ${text}\n`, 1);
      expect(error.code).toBe(code);
      expect(error.message).toContain(part);
    });
  }

  test("a process that was killed, or said nothing, is told as that", () => {
    expect(startFailure("", "SIGKILL").message).toBe(
      "the hypervisor ended at once (killed by SIGKILL) and printed nothing",
    );
  });

  test("the option that QEMU quotes before its reason is left out", () => {
    const log = `${program}: -blockdev {"filename":"/a: b"}: Could not open '/a: b': No such file or directory\n`;
    expect(startFailure(log, 1).message).toBe(
      "the hypervisor ended at once (exit status 1): Could not open '/a: b': No such file or directory",
    );
  });
});
