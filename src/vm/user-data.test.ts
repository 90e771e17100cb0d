import { expect, test } from "bun:test";
import { checkUserData } from "./user-data.ts";

test("user-data is taken up to 256 KiB, and only where it is text", () => {
  const most = 256 * 1024;
  expect(checkUserData("x".repeat(most))).toHaveLength(most);
  for (const text of ["x".repeat(most + 1), "ü".repeat(most / 2 + 1), "a\0b"]) {
    expect(() => checkUserData(text)).toThrow(expect.objectContaining({ code: "invalid-config" }));
  }
});
