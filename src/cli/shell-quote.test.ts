import { expect, test } from "bun:test";
import { run } from "../host/run.ts";
import { quoteForShell } from "./shell-quote.ts";

test("a real shell gives the words back, whatever they hold", async () => {
  const words = [
    "",
    "a b",
    "it's",
    '"',
    "$HOME",
    "`id`",
    "$(id)",
    "\\",
    "a\nb",
    "*",
    "~",
    "#x",
    "-n",
    "ä",
    "a;b|c&d",
    "!x",
    "{a,b}",
  ];
  const { stdout } = await run("sh", ["-c", `printf '%s\\0' ${quoteForShell(words)}`]);
  expect(stdout.split("\0").slice(0, -1)).toEqual(words);
});
