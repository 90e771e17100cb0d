import { expect, test } from "bun:test";
import { parseMounts, parseNumber } from "./mounts.ts";

const table = [
  "26 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw",
  "47 26 7:9999 / /a\\040b rw,noatime - xfs /dev/loop9999 rw,discard",
  "48 26 0:43 / /c rw,noatime - btrfs /dev/absent ro,compress=zstd:3",
  "49 26 0:44 / /c rw,noatime master:2 - tmpfs none rw",
].join("\n");

test("the kernel's table of mounts tells what is mounted where, how, and what a file lies on", () => {
  expect(parseMounts(table, "/a b")).toEqual({ device: undefined, readOnly: false });
  expect(parseMounts(table, "/c")).toEqual({ device: undefined, readOnly: false });
  expect(parseMounts(table.split("\n").slice(0, 3).join("\n"), "/c")).toMatchObject({ readOnly: true });
  expect(parseMounts(table, "/d")).toBeUndefined();
  expect(parseNumber(table, "/a b/x")).toBe("7:9999");
  expect(parseNumber(table, "/a bc")).toBe("254:0");
  expect(parseNumber(table, "/c")).toBe("0:44");
});
