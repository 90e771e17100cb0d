import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const root = join(import.meta.dir, "..", "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

interface Step {
  readonly run?: string;
  readonly uses?: string;
}

interface Workflow {
  readonly permissions?: unknown;
  readonly jobs: Readonly<
    Record<string, { readonly steps: readonly Step[]; readonly "timeout-minutes"?: number }>
  >;
}

describe.each(readdirSync(join(root, ".github/workflows")))("the workflow %s", (name) => {
  const text = read(`.github/workflows/${name}`);
  const workflow: Workflow = parse(text);
  const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);
  const commands = steps.map(({ run = "" }) => run).join("\n");

  test("has few rights, and ends", () => {
    expect(workflow.permissions).toEqual({ contents: "read" });
    for (const job of Object.values(workflow.jobs)) expect(job["timeout-minutes"]).toBeGreaterThan(0);
  });

  test("runs only targets and scripts that are there", () => {
    const makefile = read("Makefile");
    const lines = commands.split("\n").filter((line) => !line.includes("apt-get"));
    const targets = lines.flatMap(
      (line) => /\bmake ((?:[a-z-]+ ?)+)/.exec(line)?.[1]?.trim().split(" ") ?? [],
    );
    expect(targets.length).toBeGreaterThan(0);
    for (const target of targets) expect(makefile).toMatch(new RegExp(`^${target}:`, "m"));
    const paths = Array.from(
      commands.matchAll(/(?:^|\s)\.?\/?((?:scripts|packaging|src|test)\/[\w./@-]+)/g),
      ([, path = ""]) => path,
    );
    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) expect([path, existsSync(join(root, path))]).toEqual([path, true]);
  });

  test("puts nothing that others write into a command", () => {
    for (const { run = "" } of steps) expect(run).not.toContain("${{");
  });
});

test("the formula names this version, both parts and the entitlement", () => {
  const formula = read("packaging/homebrew/ember.rb");
  const { version } = JSON.parse(read("package.json"));
  expect(formula).toContain(`ember-${version}.tar.gz`);
  for (const part of ['bin.install "dist/ember"', "--disable-sandbox", "ember-vz.entitlements", "test do"])
    expect(formula).toContain(part);
  expect(formula.match(/\bdo\b|^ *(def|class) |^ *if /gm)?.length).toBe(formula.match(/^ *end$/gm)?.length);
});

test("the launch agent is a property list that leaves the VM running", () => {
  const plist = read("packaging/launchd/dev.ember.vm.plist");
  expect(plist).toMatch(/<key>AbandonProcessGroup<\/key>\s*<true\/>/);
  expect(plist).toMatch(/<key>RunAtLoad<\/key>\s*<true\/>/);
  const open = plist.match(/<(dict|array|string|key|plist)\b/g)?.length;
  expect(plist.match(/<\/(dict|array|string|key|plist)>/g)?.length).toBe(open);
});

test("scripts can be run", () => {
  for (const name of [
    "scripts/deb",
    "scripts/vz",
    "scripts/setup",
    "packaging/homebrew/try",
    "test/macos/run",
  ])
    expect([name, statSync(join(root, name)).mode & 0o111]).toEqual([name, 0o111]);
});
