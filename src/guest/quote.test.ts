import { expect, test } from "bun:test";
import { run } from "../host/run.ts";
import { quoteCommand, quoteForShell } from "./quote.ts";

const awkward = [
  "",
  "plain",
  "a b",
  "it's",
  "'",
  "''",
  '"double"',
  "$HOME `id` $(id)",
  "a\\b\\",
  "new\nline",
  "tab\t",
  "*?[a]",
  "~root",
  "-n",
  "a;b|c&d<e>f",
  "!history",
  "#comment",
  "ünïcödé ✓",
  "=x",
];

test("a shell gives back every word exactly as it was quoted", async () => {
  const { stdout } = await run("sh", ["-c", `printf '%s\\0' ${quoteCommand(awkward)}`]);
  expect(stdout.split("\0").slice(0, -1)).toEqual(awkward);
});

test("a word without special characters stays readable", () => {
  expect(quoteForShell("/usr/bin/env")).toBe("/usr/bin/env");
});
