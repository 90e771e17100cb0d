import { expect, test } from "bun:test";
import type { ErrorCode } from "../errors/catalogue.ts";
import { EmberError } from "../errors/ember-error.ts";
import { attempt } from "./failure.ts";

async function failureOf(code: string, lowerFull: boolean): Promise<EmberError> {
  const system = Object.assign(new Error(`${code}: it went wrong`), { code });
  try {
    await attempt(
      "clone an image",
      () => Promise.reject(system),
      () => lowerFull,
    );
  } catch (error) {
    if (error instanceof EmberError) return error;
  }
  throw new Error("not an EmberError");
}

test("system errors get the code that tells what to do", async () => {
  const cases: [string, boolean, ErrorCode][] = [
    ["ENOSPC", false, "disk-full"],
    ["EDQUOT", false, "disk-full"],
    ["EIO", false, "io-failed"],
    ["EIO", true, "disk-full"],
    ["EACCES", false, "permission-denied"],
    ["EROFS", false, "io-failed"],
    ["EFBIG", false, "invalid-size"],
    ["EWEIRD", true, "internal"],
  ];
  for (const [system, lowerFull, code] of cases) {
    const failure = await failureOf(system, lowerFull);
    expect([system, lowerFull, failure.code]).toEqual([system, lowerFull, code]);
    expect(failure.message).toStartWith("cannot clone an image: ");
  }
});

test("ember's own errors pass unchanged", async () => {
  const own = new EmberError("vm-not-found", "VM 'x' has no disk");
  await expect(attempt("clone", () => Promise.reject(own))).rejects.toBe(own);
});
