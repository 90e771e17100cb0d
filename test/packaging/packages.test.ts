import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "../support/ember.ts";

const root = join(import.meta.dir, "..", "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const { version } = JSON.parse(read("package.json"));
let work: string;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "ember-packages-"));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Uncompressed, which is quick, and of a fixed time. */
const packing = { ...process.env, DEB_COMPRESSION: "none", SOURCE_DATE_EPOCH: "1700000000" };

function output(command: string, args: readonly string[], env: NodeJS.ProcessEnv = packing): string {
  const result = spawnSync(command, [...args], { cwd: root, encoding: "utf8", env, maxBuffer: 2 ** 26 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

describe("the Debian package", () => {
  const deb = (folder: string, arch = "amd64"): string => join(work, folder, `ember_${version}_${arch}.deb`);
  const field = (name: string, arch = "amd64"): string =>
    output("dpkg-deb", ["-f", deb("one", arch), name]).trim();

  beforeAll(() => {
    output("scripts/bun", ["scripts/sbom.ts"]); // goes into it
    output("scripts/package", ["deb", "amd64", join(work, "one"), executable]);
    output("scripts/package", ["deb", "arm64", join(work, "one"), executable]);
  }, 60_000);

  test("is the same when somebody else makes it, at another time and place", () => {
    const other = { ...packing, TZ: "Asia/Tokyo", LC_ALL: "C.UTF-8", TMPDIR: join(work, "elsewhere") };
    mkdirSync(other.TMPDIR);
    output(
      "bash",
      ["-c", `umask 077; scripts/package deb amd64 '${join(work, "two")}' '${executable}'`],
      other,
    );
    expect(readFileSync(deb("one")).equals(readFileSync(deb("two")))).toBe(true);
    const later = { ...packing, SOURCE_DATE_EPOCH: "1700000001" };
    output("scripts/package", ["deb", "amd64", join(work, "later"), executable], later);
    expect(readFileSync(deb("one")).equals(readFileSync(deb("later")))).toBe(false);
  }, 60_000);

  test("says what it is", () => {
    expect(output("dpkg-deb", ["-f", deb("one"), "Package", "Version", "Architecture"])).toBe(
      `Package: ember\nVersion: ${version}\nArchitecture: amd64\n`,
    );
    expect(field("Architecture", "arm64")).toBe("arm64");
    expect(field("Recommends")).toMatch(/\bqemu-system-x86\b/);
    expect(field("Recommends", "arm64")).toMatch(/\bqemu-system-arm\b/);
    for (const arch of ["amd64", "arm64"])
      expect(output("dpkg-deb", ["-f", deb("one", arch)])).not.toMatch(/@[A-Z_]+@/);
  });

  test("names the package of every program that ember may run", () => {
    const table = /const packages[^{]*\{([\s\S]*?)\n\};/.exec(read("src/platform/linux.ts"))?.[1] ?? "";
    const wanted = new Set(Array.from(table.matchAll(/: "([\w.+-]+)"/g), ([, name = ""]) => name));
    expect(wanted.size).toBeGreaterThan(25);
    // In every Debian: they are essential.
    for (const name of ["util-linux", "tar", "gzip", "dash"]) wanted.delete(name);
    const named = `${field("Recommends")}, ${field("Suggests")}`.split(/ [(][^)]*[)]|, | \| /);
    expect([...wanted].filter((name) => !named.includes(name))).toEqual([]);
  });

  test("asks for a C library that has what the executable takes from it", () => {
    const symbols = output("objdump", ["-T", executable]);
    const versions = Array.from(symbols.matchAll(/GLIBC_2\.(\d+)/g), ([, minor]) => Number(minor));
    expect(versions.length).toBeGreaterThan(100);
    expect(field("Depends")).toBe(`libc6 (>= 2.${Math.max(...versions)})`);
    const libraries = Array.from(
      output("objdump", ["-p", executable]).matchAll(/NEEDED\s+(\S+)/g),
      ([, name = ""]) => name,
    );
    expect(libraries).toContain("libc.so.6");
    for (const name of libraries) expect(name).toMatch(/^(libc|libm|libdl|libpthread|ld-linux.*)\.so\.\d+$/);
  });

  test("holds the program, its documentation, its units and its completions, all of root's", () => {
    const lines = output("dpkg-deb", ["-c", deb("one")])
      .trim()
      .split("\n");
    for (const line of lines) expect(line).toMatch(/^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x) root\/root /);
    const modes = new Map(lines.map((line) => [line.split(" ").at(-1) ?? "", line.slice(0, 10)]));
    const executables = [...modes].filter(([, mode]) => mode === "-rwxr-xr-x").map(([path]) => path);
    expect(executables).toEqual(["./usr/bin/ember"]);
    const doc = ["copyright", "changelog.gz", "changelog.Debian.gz", "README.md", "ember.cdx.json"];
    for (const path of [
      ...[...doc, ...readdirSync(join(root, "docs"))].map((name) => `doc/ember/${name}`),
      ...["man/man1/ember.1.gz", "bash-completion/completions/ember", "zsh/vendor-completions/_ember"],
      "fish/vendor_completions.d/ember.fish",
    ])
      expect(modes.get(`./usr/share/${path}`)).toBe("-rw-r--r--");
    for (const place of ["system", "user"])
      expect(modes.get(`./usr/lib/systemd/${place}/ember-vm@.service`)).toBe("-rw-r--r--");
  });

  test("is installed by dpkg whole, works, and is purged without a trace", () => {
    const target = join(work, "root");
    mkdirSync(join(target, "var/lib/dpkg"), { recursive: true });
    writeFileSync(join(target, "var/lib/dpkg/status"), "");
    const dpkg = (...args: readonly string[]): string =>
      output("dpkg", [
        ...[`--root=${target}`, "--force-depends", "--force-not-root", "--log=/dev/null"],
        ...args,
      ]);
    dpkg("--install", deb("one"));
    expect(dpkg("--verify", "ember")).toBe("");
    const installed = join(target, "usr/bin/ember");
    expect(output(installed, ["version"])).toBe(`ember ${version}\n`);
    const completion = join(target, "usr/share/bash-completion/completions/ember");
    expect(output("bash", ["-euc", `source '${completion}'; complete -p ember`])).toMatch(/ ember$/m);
    writeFileSync(completion, "changed");
    expect(dpkg("--verify", "ember")).toContain("completions/ember");
    dpkg("--purge", "ember");
    for (const path of ["usr/bin", "usr/share", "usr/lib"])
      expect([path, existsSync(join(target, path))]).toEqual([path, false]);
  }, 60_000);

  test("is refused for an architecture that there is none of", () => {
    expect(() => output("scripts/package", ["deb", "riscv64", work, executable])).toThrow("amd64 and arm64");
    expect(() => output("scripts/package", ["rpm", "amd64"])).toThrow("usage");
  });
});
