import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "../support/ember.ts";
import { skipUnless } from "../support/require.ts";

const root = join(import.meta.dir, "..", "..");
const formulaPath = join(root, "packaging/homebrew/ember.rb");
const formula = readFileSync(formulaPath, "utf8");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

function run(
  command: string,
  ...args: readonly string[]
): { readonly status: number; readonly text: string } {
  const { status, stdout, stderr, error } = spawnSync(command, [...args], { cwd: root, encoding: "utf8" });
  return { status: status ?? 1, text: error === undefined ? stdout + stderr : error.message };
}

const noRuby = skipUnless(
  "ruby",
  run("ruby", "--version").status === 0,
  "there is no ruby to read the formula with (apt-get install ruby)",
);

const asked = (args: readonly string[]): readonly string[][] =>
  run("ruby", join(import.meta.dir, "formula.rb"), formulaPath, ...args)
    .text.trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("the formula names the archive of this version", () => {
  expect(formula).toMatch(new RegExp(`^ {2}url "[^"]+/ember-${RegExp.escape(version)}\\.tar\\.gz"$`, "m"));
  expect(formula).toMatch(/^ {2}sha256 "[0-9a-f]{64}"$/m);
});

test("the formula of a release differs in its archive alone, and has that one's digest", () => {
  const folder = mkdtempSync(join(tmpdir(), "ember-formula-"));
  try {
    const archive = join(folder, "ember-9.8.7.tar.gz");
    writeFileSync(archive, "sources");
    const { status, text } = run("packaging/homebrew/fill", archive, "https://releases.example/v9.8.7");
    expect(status).toBe(0);
    const changed = text.split("\n").filter((line) => !formula.split("\n").includes(line));
    expect(changed).toEqual([
      '  url "https://releases.example/v9.8.7/ember-9.8.7.tar.gz"',
      `  sha256 "${createHash("sha256").update("sources").digest("hex")}"`,
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what the formula's test does works with this executable", () => {
  const tried = run("packaging/homebrew/try", executable, version);
  expect(tried).toMatchObject({ status: 0, text: expect.stringContaining("imported tested") });
}, 60_000);

test("`try` notices an executable of another version, and one that does nothing", () => {
  expect(run("packaging/homebrew/try", executable, "99.0.0").status).not.toBe(0);
  expect(run("packaging/homebrew/try", "/bin/true", version).status).not.toBe(0);
});

test("`try` runs every command of ember's that the formula's test runs", () => {
  const script = readFileSync(join(root, "packaging/homebrew/try"), "utf8");
  const block = formula.slice(formula.indexOf("test do"));
  const direct = Array.from(block.matchAll(/system bin\/("ember.*)$/gm), ([, words = ""]) =>
    words.replaceAll(/[",]/g, "").replace(/^ember /, '"$ember" '),
  );
  const read = Array.from(block.matchAll(/#\{bin\}\/ember (.*?)"/g), ([, words]) => `"$ember" ${words}`);
  expect(direct.length + read.length).toBeGreaterThan(5);
  for (const command of [...direct, ...read]) expect(script).toContain(command);
});

test.skipIf(noRuby)(
  "the formula's own test passes with this executable",
  () => {
    const args = [join(import.meta.dir, "formula.rb"), formulaPath, "test", executable];
    expect(run("ruby", ...args, version)).toEqual({ status: 0, text: "" });
    expect(run("ruby", ...args, "99.0.0")).toMatchObject({ text: expect.stringContaining("is not") });
  },
  60_000,
);

test.skipIf(noRuby)("on macOS the formula signs both programs before it installs them", () => {
  const steps = asked(["plan", "mac"]).map((step) => step.join(" "));
  const place = (step: RegExp): number => {
    const index = steps.findIndex((line) => step.test(line));
    expect([step.source, index]).not.toEqual([step.source, -1]);
    return index;
  };
  expect(place(/^system codesign --force --sign - .*dist\/ember$/)).toBeLessThan(
    place(/^install bin dist\/ember$/),
  );
  expect(place(/^install bin dist\/ember$/)).toBeLessThan(place(/^completions bin\/ember completion$/));
  const entitled = place(/codesign .*--entitlements ember-vz\.entitlements \.build\/release\/ember-vz$/);
  expect(place(/^system swift build --disable-sandbox -c release/)).toBeLessThan(entitled);
  expect(entitled).toBeLessThan(place(/^install bin \.build\/release\/ember-vz$/));
  place(/^depends_on macos ventura$/);
  expect(steps).not.toContain("depends_on qemu");
});

test.skipIf(noRuby)("on Linux the formula brings QEMU, and nothing of Apple's", () => {
  const steps = asked(["plan", "linux"]).map((step) => step.join(" "));
  expect(steps).toContain("depends_on qemu");
  expect(steps).toContain("install bin dist/ember");
  expect(steps.filter((step) => /xcode|macos|swift|codesign/.test(step))).toEqual([]);
});

/** What some want: another hypervisor, and builders of images. */
const optional = ["qemu", "podman", "docker"];

test("the formula brings what macOS's users are told to install, but what is for some", () => {
  const table = /const formulae[^{]*\{([^}]*)\}/.exec(
    readFileSync(join(root, "src/platform/macos.ts"), "utf8"),
  )?.[1];
  const names = new Set(Array.from((table ?? "").matchAll(/: "([\w-]+)"/g), ([, name = ""]) => name));
  expect(names.size).toBeGreaterThan(3);
  const missing = [...names].filter((name) => !optional.includes(name) && !formula.includes(`"${name}"`));
  expect(missing).toEqual([]);
});
