import { describe, expect, test } from "bun:test";
import * as detect from "./detect.ts";
import type { Drivers } from "./drivers.ts";
import * as linux from "./linux.ts";
import * as macos from "./macos.ts";
import type { PlatformFacts } from "./platform.ts";

test("a runtime without a platform condition has all that the platforms have", () => {
  const whole: PlatformFacts & Drivers = detect; // for the compiler; the names below for those who do not run it
  for (const name of Object.keys(process.platform === "darwin" ? macos : linux)) {
    expect(whole).toHaveProperty(name);
  }
});

describe("the hypervisors that boot a kernel", () => {
  test.each([
    [
      ["bzimage", "pvh", "elf"],
      ["qemu", "firecracker"],
      ["vz", "qemu"],
    ],
    [["bzimage"], ["qemu"], ["vz", "qemu"]],
    [["pvh", "elf"], ["qemu", "firecracker"], ["qemu"]],
    [["elf"], ["firecracker"], []],
    [["image"], ["qemu", "firecracker"], ["vz", "qemu"]],
  ] as const)("by %j are, on Linux and on macOS: %j, %j", (methods, onLinux, onMacos) => {
    expect(linux.bootableBy(methods)).toEqual([...onLinux]);
    expect(macos.bootableBy(methods)).toEqual([...onMacos]);
  });
});

test("the hint for several missing programs is one command", () => {
  expect(linux.installHint("flex", "ld", "strip", "gelf.h", "aarch64-linux-gnu-gcc")).toBe(
    "install it: apt-get install flex binutils libelf-dev gcc-aarch64-linux-gnu",
  );
  expect(linux.installHint("flex", "unheard-of")).toBe(
    "install it: apt-get install flex; install 'unheard-of' and see that it is in PATH",
  );
  expect(linux.installHint("unheard-of")).toBe("install 'unheard-of' and see that it is in PATH");
  expect(macos.installHint("xz", "zstd")).toBe("install it: brew install xz zstd");
});
