import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..", "..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

interface Component {
  readonly type: string;
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
}

let work: string;
let text: string;
let components: readonly Component[];
let bom: {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: Component };
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
};

function output(folder: string, command: string, ...args: readonly string[]): string {
  const result = spawnSync(command, [...args], { cwd: folder, encoding: "utf8", maxBuffer: 2 ** 26 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), "ember-sbom-"));
  output(root, process.execPath, "scripts/sbom.ts", join(work, "one.json"));
  text = readFileSync(join(work, "one.json"), "utf8");
  const parsed = JSON.parse(text);
  bom = parsed;
  components = parsed.components;
}, 60_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

const purls = (): readonly (string | undefined)[] => components.map(({ purl }) => purl);

test("every package that runs with ember is in the list, and none of those that build it but Bun", () => {
  const lock: Record<string, Readonly<Record<string, unknown>>> = JSON.parse(
    readFileSync(join(root, "package-lock.json"), "utf8"),
  ).packages;
  const runs = Object.entries(lock).filter(
    ([path, { dev, devOptional, optional }]) =>
      path !== "" && dev === undefined && devOptional === undefined && optional === undefined,
  );
  expect(runs.length).toBeGreaterThan(Object.keys(manifest.dependencies).length);
  const wanted = runs.map(([path, facts]) => {
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    return `pkg:npm/${name}@${String(facts["version"])}`;
  });
  const bun = `pkg:npm/bun@${String(manifest.devDependencies.bun)}`;
  const listed = purls().filter((purl) => purl?.startsWith("pkg:npm/"));
  expect(listed.toSorted()).toEqual([...wanted, bun].toSorted());
});

test("the runtime's version is that of what is compiled in", () => {
  expect(purls()).toContain(`pkg:npm/bun@${process.versions.bun}`);
});

test.each([
  ["guest", "amd64"],
  ["guest", "arm64"],
  ["net", "linux-amd64"],
  ["net", "linux-arm64"],
  ["net", "darwin-amd64"],
  ["net", "darwin-arm64"],
])("every module linked into ember-%s for %s is in the list", (part, target) => {
  const linked = output(root, "go", "version", "-m", `dist/${part}/ember-${part}-${target}`);
  const modules = Array.from(
    linked.matchAll(/^\tdep\t(\S+)\t(\S+)/gm),
    ([, name, version]) => `pkg:golang/${name}@${version}`,
  );
  const go = /: go(\S+)/.exec(linked)?.[1];
  expect(modules.length).toBeGreaterThan(2);
  const listed = bom.dependencies.find(({ ref }) => ref === `ember-${part}`)?.dependsOn;
  for (const purl of [...modules, `pkg:golang/stdlib@${go}`]) {
    expect(purls()).toContain(purl);
    expect(listed).toContain(purl);
  }
});

test("Swift's packages, which there are none of, are in the list", () => {
  const packageSwift = readFileSync(join(root, "vz/Package.swift"), "utf8");
  // A `.package(url: ...)` would have to be listed among what ember-vz depends on.
  expect(packageSwift).not.toMatch(/\.package\(/);
  expect(bom.dependencies.find(({ ref }) => ref === "ember-vz")).toEqual({ ref: "ember-vz", dependsOn: [] });
});

test("it is CycloneDX, whose references lead somewhere, from ember to everything", () => {
  expect(bom).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.5" });
  expect(bom.metadata.component).toMatchObject({
    type: "application",
    name: "ember",
    version: manifest.version,
  });
  const refs = [bom.metadata.component, ...components].map((component) => component["bom-ref"]);
  expect(new Set(refs).size).toBe(refs.length);
  const types = new Set(components.map(({ type }) => type));
  expect([...types].filter((type) => !["library", "application", "platform"].includes(type))).toEqual([]);
  // ember-vz is a program of its own, beside ember.
  const reached = new Set(["ember", "ember-vz"]);
  for (const ref of reached)
    for (const next of bom.dependencies.find((entry) => entry.ref === ref)?.dependsOn ?? [])
      reached.add(next);
  expect([...reached].toSorted()).toEqual(refs.toSorted());
});

test("the same sources make the same list, in whatever folder", () => {
  const copy = join(work, "another-name");
  mkdirSync(join(copy, "dist"), { recursive: true });
  for (const path of ["package.json", "package-lock.json", "scripts", "dist/guest", "dist/net"])
    cpSync(join(root, path), join(copy, path), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  output(copy, process.execPath, "scripts/sbom.ts");
  expect(readFileSync(join(copy, "dist/ember.cdx.json"), "utf8")).toBe(text);
  expect(text).not.toContain(root);
}, 60_000);
