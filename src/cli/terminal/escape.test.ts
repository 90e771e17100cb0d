import { expect, test } from "bun:test";
import { EscapeFilter } from "./escape.ts";

/** What reaches the guest, and how often the filter said to leave. */
async function filtered(...chunks: string[]): Promise<{ text: string; left: number }> {
  let left = 0;
  let text = "";
  const filter = new EscapeFilter(() => {
    left += 1;
  });
  filter.on("data", (chunk: Buffer) => {
    text += chunk.toString("latin1");
  });
  for (const chunk of chunks) filter.write(Buffer.from(chunk, "latin1"));
  await new Promise<void>((resolve) => {
    filter.end(() => resolve());
  });
  return { text, left };
}

test("~. at the start of a line leaves, and does not reach the guest", async () => {
  expect(await filtered("~.")).toEqual({ text: "", left: 1 });
  expect(await filtered("ls\r", "~", ".")).toEqual({ text: "ls\r", left: 1 });
});

test("everything else passes, a tilde in a path included", async () => {
  expect(await filtered("cd ~/x\r~/y\r")).toEqual({ text: "cd ~/x\r~/y\r", left: 0 });
  expect(await filtered("a~.b")).toEqual({ text: "a~.b", left: 0 });
  expect(await filtered("\xff\x00\x03")).toEqual({ text: "\xff\x00\x03", left: 0 });
});

test("~~ at the start of a line is one tilde", async () => {
  expect(await filtered("\r~~.")).toEqual({ text: "\r~.", left: 0 });
});
