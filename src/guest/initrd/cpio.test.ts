import { describe, expect, test } from "bun:test";
import { readCpio } from "../testing/read-cpio.ts";
import { archivePadding, type CpioEntry, writeCpio } from "./cpio.ts";

const entries: CpioEntry[] = [
  { type: "folder", path: "dev", mode: 0o755 },
  { type: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
  { type: "file", path: "init", mode: 0o755, content: Buffer.from("binary\0content") },
  { type: "file", path: "empty", mode: 0o600, content: new Uint8Array() },
  ...[1, 2, 3, 4, 5].map(
    (size): CpioEntry => ({ type: "file", path: `f${size}`, mode: 0o644, content: Buffer.alloc(size, 65) }),
  ),
];

describe("writeCpio", () => {
  test("what is written is read back, by a reader of its own", () => {
    const files = readCpio(writeCpio(entries));
    expect(files.map((file) => file.path)).toEqual(entries.map((entry) => entry.path));
    expect(files.find((file) => file.path === "init")).toMatchObject({
      mode: 0o100755,
      content: Buffer.from("binary\0content"),
    });
    expect(files.find((file) => file.path === "dev/console")).toMatchObject({
      mode: 0o020600,
      major: 5,
      minor: 1,
    });
    expect(files.find((file) => file.path === "f3")?.content.toString()).toBe("AAA");
  });

  test("the same entries make the same bytes", () => {
    expect(writeCpio(entries).equals(writeCpio(entries))).toBe(true);
  });

  test("archives one after the other are all read, the later file winning", () => {
    const first = writeCpio([{ type: "file", path: "a", mode: 0o644, content: Buffer.from("1") }]);
    const second = writeCpio([{ type: "file", path: "a", mode: 0o644, content: Buffer.from("22") }]);
    const files = readCpio(Buffer.concat([first, second]));
    expect(files.map((file) => file.content.toString())).toEqual(["1", "22"]);
  });

  test("every archive ends where the next may begin", () => {
    for (let size = 0; size < 600; size += 7) {
      const content = Buffer.alloc(size);
      expect(writeCpio([{ type: "file", path: "x", mode: 0o644, content }]).length % 512).toBe(0);
      expect((size + archivePadding(size).length) % 512).toBe(0);
    }
  });
});
