// Writes dist/ember.cdx.json: what is compiled into a release (CycloneDX 1.5). npm says what of its packages, and the guest
// binary itself what of Go's modules.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");

interface Component {
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses?: readonly unknown[];
}

interface Bom {
  readonly metadata: { readonly timestamp?: string; readonly component: Component };
  readonly components: readonly Component[];
  readonly serialNumber?: string;
}

function output(command: string, ...args: readonly string[]): string {
  const result = spawnSync(command, [...args], { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

/** Lines "\tdep\tMODULE\tVERSION\tHASH" of `go version -m`; its first line ends with Go's own version. */
export function goComponents(text: string): Component[] {
  const go = /: go(\S+)/.exec(text)?.[1] ?? "unknown";
  const modules = Array.from(text.matchAll(/^\tdep\t(\S+)\t(\S+)/gm), ([, name = "", version = ""]) => ({
    name,
    version,
  }));
  return [{ name: "std", version: go }, ...modules].map(({ name, version }) => ({
    type: "library",
    name,
    version,
    purl: `pkg:golang/${name}@${version}`,
  }));
}

/** The runtime that is compiled into each executable: for npm it is a tool of development. */
function bunComponent(): Component {
  const { version } = JSON.parse(readFileSync(join(root, "node_modules/bun/package.json"), "utf8"));
  return { type: "framework", name: "bun", version, purl: `pkg:npm/bun@${version}` };
}

const npm: Bom = JSON.parse(
  output("npm", "sbom", "--omit=dev", "--omit=optional", "--package-lock-only", "--sbom-format=cyclonedx"),
);
const components = [
  ...npm.components,
  bunComponent(),
  ...goComponents(output("go", "version", "-m", "dist/guest/ember-guest-amd64")),
].toSorted((a, b) => (a.purl < b.purl ? -1 : 1));
// The same sources make the same file: no time, no random number.
const { serialNumber: _serial, ...bom } = npm;
const { timestamp: _time, ...metadata } = npm.metadata;
const all = { ...bom, metadata, components, dependencies: [] };
writeFileSync(join(root, "dist/ember.cdx.json"), `${JSON.stringify(all, null, 2)}\n`);
console.log(`wrote dist/ember.cdx.json: ${components.length} components`);
