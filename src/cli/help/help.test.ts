import { describe, expect, test } from "bun:test";
import { root } from "../commands/tree.ts";
import type { Group, Leaf, Node } from "../parser/command.ts";
import { runCli } from "../testing/run-cli.ts";
import { renderReference } from "./reference.ts";

interface Place {
  readonly node: Node;
  readonly words: readonly string[];
}

const places = (node: Node, words: readonly string[] = []): Place[] => [
  { node, words },
  ...(node.kind === "group" ? node.children.flatMap((child) => places(child, [...words, child.name])) : []),
];

const isLeaf = (place: Place): place is Place & { node: Leaf } => place.node.kind === "command";
const isGroup = (place: Place): place is Place & { node: Group } => place.node.kind === "group";
const all = places(root);
const commands = all.filter(isLeaf);

describe("help", () => {
  test.each(all.map(({ words }) => words.join(" ")))(
    "of 'ember %s' says how to use it, with an example, in 80 columns",
    async (line) => {
      const words = line === "" ? [] : line.split(" ");
      const { status, stdout, stderr, opened } = await runCli([...words, "--help"]);
      expect({ status, stderr, opened }).toEqual({ status: 0, stderr: "", opened: [] });
      expect(stdout).toContain(`Usage:\n  ember`);
      expect(stdout).toMatch(/Examples?:\n {2}/);
      // Examples may be longer: they are there to be copied.
      const prose = stdout.replace(/\nExamples?:\n( .*\n)+/, "\n");
      for (const text of prose.split("\n"))
        expect({ line, text, fits: text.length <= 80 }).toEqual({ line, text, fits: true });
    },
  );

  test("is the same by every way to it", async () => {
    const { stdout } = await runCli(["vm", "create", "--help"]);
    expect((await runCli(["help", "vm", "create"])).stdout).toBe(stdout);
    expect((await runCli(["vm", "create", "-h", "--nonsense"])).stdout).toBe(stdout);
    expect((await runCli([])).stdout).toBe((await runCli(["help"])).stdout);
    expect((await runCli(["vm"])).stdout).toBe((await runCli(["vm", "--help"])).stdout);
  });

  test("does not show what is for programs", async () => {
    expect((await runCli(["help"])).stdout).not.toContain("__");
  });
});

describe("the commands' data", () => {
  test("names are unique within a group, and flags within a command", async () => {
    for (const { node } of all.filter(isGroup)) {
      const names = node.children.map((child) => child.name);
      expect(new Set(names).size).toBe(names.length);
    }
    for (const { node } of commands) {
      const { flags } = await node.load();
      const names = [...flags.map((flag) => flag.name), "state-dir", "format", "quiet", "verbose", "help"];
      const shorts = [...flags.flatMap((flag) => flag.short ?? []), "q", "h"];
      expect(new Set(names).size).toBe(names.length);
      expect(new Set(shorts).size).toBe(shorts.length);
    }
  });

  test("everything has a summary, and only the last argument takes many", async () => {
    for (const { node, words } of commands) {
      const command = await node.load();
      if (node.hidden !== true)
        expect({ words, summary: node.summary.length > 5 }).toEqual({ words, summary: true });
      for (const { summary } of [...command.flags, ...command.positionals])
        expect(summary.length).toBeGreaterThan(3);
      expect(command.positionals.slice(0, -1).some((positional) => positional.many)).toBe(false);
    }
  });

  test("what later parts bring is not there yet", async () => {
    expect((await runCli("vm fork a b --live".split(" "))).stderr).toContain("unknown flag");
  });
});

test("the reference holds every command, flag and example", async () => {
  const reference = await renderReference();
  for (const { node, words } of commands) {
    if (node.hidden === true) continue;
    expect(reference).toContain(`## ember ${words.join(" ")}\n`);
    const command = await node.load();
    for (const flag of command.flags) expect(reference).toContain(`--${flag.name}`);
    for (const example of command.examples) expect(reference).toContain(example.line);
  }
  expect(reference).not.toContain("__proxy");
});
