import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..", "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
let work: string;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "ember-packages-"));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

function output(command: string, ...args: readonly string[]): string {
  const env = { ...process.env, DEB_COMPRESSION: "none", SOURCE_DATE_EPOCH: "1700000000" };
  const result = spawnSync(command, [...args], { cwd: root, encoding: "utf8", env, maxBuffer: 2 ** 26 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

describe("the list of what is compiled in", () => {
  test("names every package of npm's and every module of the guest binary", () => {
    output(process.execPath, "scripts/sbom.ts");
    const text = readFileSync(join(root, "dist/ember.cdx.json"), "utf8");
    const { bomFormat, components } = JSON.parse(text);
    expect(bomFormat).toBe("CycloneDX");
    const names = new Set(
      components.map(({ name, version: its }: Record<string, string>) => `${name} ${its}`),
    );
    const lock: Record<
      string,
      { version?: string; dev?: boolean; devOptional?: boolean; optional?: boolean }
    > = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
    const packages = Object.entries(lock).filter(
      ([path, facts]) => path !== "" && !facts.dev && !facts.devOptional && !facts.optional,
    );
    expect(packages.length).toBeGreaterThan(2);
    for (const [path, facts] of packages)
      expect(names).toContain(`${path.slice(path.lastIndexOf("node_modules/") + 13)} ${facts.version}`);
    const linked = output("go", "version", "-m", "dist/guest/ember-guest-arm64");
    for (const [, name, its] of linked.matchAll(/^\tdep\t(\S+)\t(\S+)/gm))
      expect(names).toContain(`${name} ${its}`);
    output(process.execPath, "scripts/sbom.ts");
    expect(readFileSync(join(root, "dist/ember.cdx.json"), "utf8")).toBe(text);
  }, 60_000);
});

describe("the Debian package", () => {
  const deb = (folder: string): string => join(work, folder, `ember_${version}_amd64.deb`);

  test("holds the program, its documentation and the unit, and is the same twice", () => {
    for (const folder of ["one", "two"]) output("scripts/deb", "amd64", join(work, folder), "dist/ember");
    expect(readFileSync(deb("one")).equals(readFileSync(deb("two")))).toBe(true);
    expect(output("dpkg-deb", "-f", deb("one"), "Package", "Version", "Architecture")).toBe(
      `Package: ember\nVersion: ${version}\nArchitecture: amd64\n`,
    );
    const names = output("dpkg-deb", "-c", deb("one"));
    for (const path of [
      "./usr/bin/ember",
      "./usr/lib/systemd/system/ember-vm@.service",
      "./usr/share/doc/ember/copyright",
      "./usr/share/doc/ember/cli.md",
      "./usr/share/doc/ember/ember.cdx.json",
    ])
      expect(names).toMatch(new RegExp(`root/root .* ${RegExp.escape(path)}$`, "m"));
  }, 120_000);

  test("is installed by dpkg, works, and is removed without a trace", () => {
    const target = join(work, "root");
    output("mkdir", "-p", join(target, "var/lib/dpkg"));
    output("touch", join(target, "var/lib/dpkg/status"));
    const dpkg = (...args: readonly string[]): string =>
      output("dpkg", `--root=${target}`, "--force-depends", "--force-not-root", "--log=/dev/null", ...args);
    dpkg("--install", deb("one"));
    expect(output(join(target, "usr/bin/ember"), "version")).toBe(`ember ${version}\n`);
    dpkg("--purge", "ember");
    expect(existsSync(join(target, "usr/bin/ember"))).toBe(false);
    expect(existsSync(join(target, "usr/share/doc/ember"))).toBe(false);
  }, 120_000);

  test("starts VMs by a unit that systemd takes", () => {
    const unit = join(work, "ember-vm@web.service");
    copyFileSync(join(root, "packaging/systemd/ember-vm@.service"), unit);
    const text = readFileSync(unit, "utf8");
    expect(text).toContain("ExecStart=/usr/bin/ember vm start %i");
    const keys = Array.from(text.matchAll(/^([A-Za-z]+)=/gm), ([, key]) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

test("what the formula tests works with this executable", () => {
  output("packaging/homebrew/try", "dist/ember", version);
}, 60_000);
