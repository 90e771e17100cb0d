import { expect, test } from "bun:test";
import { checkGuestBinary } from "./architecture.ts";
import { guestBinary } from "./on-disk.ts";

function elf(machine: number): Buffer {
  const bytes = Buffer.alloc(128);
  bytes.writeUInt32BE(0x7f454c46, 0);
  bytes.writeUInt16LE(machine, 18);
  return bytes;
}

test("a binary for another architecture, or no binary, is refused", () => {
  expect(checkGuestBinary(elf(62), "amd64", "x").length).toBe(128);
  expect(checkGuestBinary(elf(183), "arm64", "x").length).toBe(128);
  expect(() => checkGuestBinary(elf(183), "amd64", "the file")).toThrow(
    "'the file' is not a guest binary for amd64",
  );
  expect(() => checkGuestBinary(Buffer.alloc(0), "amd64", "x")).toThrow("not a guest binary");
});

test("a binary that is built is found, one that is not is asked for with the command that builds it", () => {
  for (const arch of ["amd64", "arm64"] as const) {
    try {
      expect(guestBinary(arch).read().length).toBeGreaterThan(1_000_000);
    } catch (error) {
      expect(error).toMatchObject({ code: "host-unsupported", hint: "build it: make build" });
    }
  }
});
