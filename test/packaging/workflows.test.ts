import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const root = join(import.meta.dir, "..", "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

interface Step {
  readonly run?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Job {
  readonly needs?: string | readonly string[];
  readonly permissions?: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
  readonly "timeout-minutes"?: number;
}

interface Workflow {
  readonly permissions?: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

const names = readdirSync(join(root, ".github/workflows"));

test("there is one for each change, and one for a release", () => {
  expect(names.toSorted()).toEqual(["ci.yml", "release.yml"]);
});

describe.each(names)("the workflow %s", (name) => {
  const text = read(`.github/workflows/${name}`);
  const workflow: Workflow = parse(text, { uniqueKeys: true });
  const jobs = Object.entries(workflow.jobs);
  const steps = jobs.flatMap(([, job]) => job.steps);
  const commands = steps.map(({ run = "" }) => run).join("\n");

  test("has few rights, and ends", () => {
    expect(workflow.permissions).toEqual({ contents: "read" });
    for (const [job, { permissions = {}, "timeout-minutes": minutes }] of jobs) {
      expect([job, minutes]).toEqual([job, expect.any(Number)]);
      const writes = Object.values(permissions).includes("write");
      expect([job, writes]).toEqual([job, name === "release.yml" && job === "publish"]);
    }
  });

  test("leaves no token in what it checked out", () => {
    const checkouts = steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"));
    expect(checkouts.length).toBe(jobs.length);
    for (const { with: options } of checkouts) expect(options?.["persist-credentials"]).toBe(false);
  });

  test("takes actions by their commit alone, one for each", () => {
    const lines = text.match(/uses: .*$/gm) ?? [];
    expect(lines.length).toBeGreaterThan(5);
    for (const line of lines) expect(line).toMatch(/^uses: actions\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    const all = new Set(
      names.flatMap((other) => read(`.github/workflows/${other}`).match(/uses: .*$/gm) ?? []),
    );
    const actions = [...all].map((line) => line.slice(0, line.indexOf("@")));
    expect(new Set(actions).size).toBe(actions.length);
  });

  test("has jobs that wait for jobs that are there", () => {
    for (const [, { needs = [] }] of jobs)
      for (const other of [needs].flat()) expect(Object.keys(workflow.jobs)).toContain(other);
  });

  test("hands on what another job has left", () => {
    const artifacts = (action: string, field: string): readonly string[] =>
      steps
        .filter(({ uses }) => uses?.startsWith(`actions/${action}@`))
        .flatMap((step) => step.with?.[field] ?? [])
        .map(String);
    const left = artifacts("upload-artifact", "name");
    for (const taken of artifacts("download-artifact", "name")) expect(left).toContain(taken);
    for (const pattern of artifacts("download-artifact", "pattern"))
      expect(left.some((one) => one.startsWith(pattern.replace("*", "")))).toBe(true);
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

  test("has commands that a shell can read", () => {
    for (const { run } of steps.filter((step) => step.run !== undefined)) {
      const { status, stderr } = spawnSync("bash", ["-n"], { input: run, encoding: "utf8" });
      expect([run, status, stderr]).toEqual([run, 0, ""]);
    }
  });
});

test("scripts can be run", () => {
  const scripts = [
    "scripts/package",
    "scripts/vz",
    "scripts/setup",
    "packaging/sign-macos",
    "test/macos/run",
  ];
  for (const name of [...scripts, "packaging/homebrew/try", "packaging/homebrew/fill"])
    expect([name, statSync(join(root, name)).mode & 0o111]).toEqual([name, 0o111]);
});
