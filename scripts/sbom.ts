// Writes dist/ember.cdx.json: what is compiled into a release (CycloneDX 1.5). npm says what of its packages, and the
// Go binaries themselves what of Go's modules.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");

interface Component {
  readonly type: string;
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl?: string;
  readonly description?: string | undefined;
  readonly licenses?: readonly unknown[];
}

interface Dependencies {
  readonly ref: string;
  readonly dependsOn: readonly string[];
}

interface Npm {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly Dependencies[];
}

function output(command: string, ...args: readonly string[]): string {
  const result = spawnSync(command, [...args], { cwd: root, encoding: "utf8", maxBuffer: 2 ** 26 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

const licensed = (id: string): Pick<Component, "licenses"> => ({ licenses: [{ license: { id } }] });

/** Of `go version -m`: the first line ends with Go's own version, those of modules are "\tdep\tMODULE\tVERSION\tHASH". */
function goComponents(binary: string): Component[] {
  const text = output("go", "version", "-m", binary);
  const go = /: go(\S+)/.exec(text)?.[1];
  if (go === undefined) throw new Error(`'${binary}' does not say what Go it is of: ${text}`);
  // A line "\t=>\t..." after a module would say that another is linked in its place.
  if (/^\t=>\t/m.test(text)) throw new Error(`'${binary}' has replaced modules, which are not read here`);
  const modules = Array.from(text.matchAll(/^\tdep\t(\S+)\t(\S+)/gm), ([, name = "", version = ""]) => ({
    name,
    version,
  }));
  // The standard library goes by this name in databases of vulnerabilities.
  return [{ name: "stdlib", version: go }, ...modules].map(({ name, version }) => {
    const purl = `pkg:golang/${name}@${version}`;
    return { type: "library", "bom-ref": purl, name, version, purl };
  });
}

/** The runtime that is compiled into each executable: for npm it is a tool of development. */
function bunComponent(): Component {
  const { version, license } = JSON.parse(readFileSync(join(root, "node_modules/bun/package.json"), "utf8"));
  const purl = `pkg:npm/bun@${version}`;
  return { type: "platform", "bom-ref": purl, name: "bun", version, purl, ...licensed(license) };
}

const byRef = (a: Component, b: Component): number => (a["bom-ref"] < b["bom-ref"] ? -1 : 1);

const npm: Npm = JSON.parse(
  output("npm", "sbom", "--omit=dev", "--omit=optional", "--package-lock-only", "--sbom-format=cyclonedx"),
);
const { version, description, "bom-ref": npmRef } = npm.metadata.component;
const ours = { version, ...licensed("Apache-2.0") };
const ember: Component = { type: "application", "bom-ref": "ember", name: "ember", description, ...ours };
const guest: Component = { type: "application", "bom-ref": "ember-guest", name: "ember-guest", ...ours };
const vz: Component = { type: "application", "bom-ref": "ember-vz", name: "ember-vz", ...ours };
const bun = bunComponent();
const net: Component = { type: "application", "bom-ref": "ember-net", name: "ember-net", ...ours };

/** By reference: what is linked into any of these. */
function linkedInto(binaries: readonly string[]): Map<string, Component> {
  return new Map(binaries.flatMap(goComponents).map((component) => [component["bom-ref"], component]));
}

const cpus = ["amd64", "arm64"];
const ofGuest = linkedInto(cpus.map((cpu) => `dist/guest/ember-guest-${cpu}`));
const ofNet = linkedInto(
  ["linux", "darwin"].flatMap((os) => cpus.map((cpu) => `dist/net/ember-net-${os}-${cpu}`)),
);
const go = new Map([...ofGuest, ...ofNet]);
const direct = npm.dependencies.find(({ ref }) => ref === npmRef)?.dependsOn ?? [];
// The same sources make the same file: no time, no random number, no name of a folder.
const bom = {
  $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
  bomFormat: "CycloneDX",
  specVersion: "1.5",
  version: 1,
  metadata: { lifecycles: [{ phase: "build" }], component: ember },
  components: [guest, net, vz, bun, ...npm.components, ...go.values()].toSorted(byRef),
  dependencies: [
    { ref: "ember", dependsOn: [bun["bom-ref"], "ember-guest", "ember-net", ...direct] },
    { ref: "ember-guest", dependsOn: [...ofGuest.keys()].toSorted() },
    { ref: "ember-net", dependsOn: [...ofNet.keys()].toSorted() },
    // Apple's frameworks alone, which are macOS's.
    { ref: "ember-vz", dependsOn: [] },
    ...npm.dependencies.filter(({ ref }) => ref !== npmRef),
  ],
};
const file = process.argv[2] ?? join(root, "dist/ember.cdx.json");
writeFileSync(file, `${JSON.stringify(bom, null, 2)}\n`);
console.log(`wrote ${file}: ${bom.components.length} components`);
