// Fails when an import points outward, or something is used outside the one place it belongs to (style.md).
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const src = join(import.meta.dir, "..", "src");

/** Layers from the outside in; a folder may import its own layer's and those after it. */
const layers: readonly (readonly string[])[] = [
  ["cli"],
  ["index.ts", "ember.ts", "operations.ts"],
  ["setup"],
  ["vm", "snapshot"],
  ["image", "kernel", "installation.ts"],
  ["platform"],
  ["hypervisor", "storage", "network", "guest"],
  ["policy"],
  ["state"],
  ["host"],
  ["errors", "types", "types.ts", "api.ts", "version.ts"],
];

const layerOf = (top: string): number => layers.findIndex((names) => names.includes(top));

/** What may be used in which places only. */
const confined: readonly { readonly what: string; readonly pattern: RegExp; readonly where: RegExp }[] = [
  { what: "process.platform", pattern: /\bprocess\.platform\b/, where: /^platform\// },
  { what: "process.env", pattern: /\bprocess\.env\b/, where: /^cli\/context\.ts$/ },
  { what: "node:child_process", pattern: /from "node:child_process"/, where: /^host\// },
  { what: "console", pattern: /(?<!["'\w.])console\.(log|error|warn)\(/, where: /^cli\// },
  { what: "bun:", pattern: /from "bun:|\bBun\./, where: /^never$/ },
];

const drivers = /^(hypervisor|storage|network)\/([a-z0-9-]+)\//;
const problems: string[] = [];

for (const file of readdirSync(src, { recursive: true, encoding: "utf8" })) {
  if (!file.endsWith(".ts") || file.endsWith(".test.ts") || /(^|\/)testing\//.test(file)) continue;
  const text = readFileSync(join(src, file), "utf8");
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  for (const rule of confined) {
    if (rule.pattern.test(code) && !rule.where.test(file)) problems.push(`${file} uses ${rule.what}`);
  }
  for (const [, typeOnly, target] of code.matchAll(/^(?:import|export)( type)?[^"';]*? from "(\.[^"]+)"/gm)) {
    checkImport(file, relative(src, join(src, dirname(file), target ?? "")), typeOnly !== undefined);
  }
}

function checkImport(file: string, target: string, typeOnly: boolean): void {
  const from = layerOf(file.split("/")[0] ?? "");
  const to = layerOf(target.split("/")[0] ?? "");
  if (target === "../package.json") return; // the version
  if (from === -1 || to === -1)
    problems.push(`${from === -1 ? file : target} is in no layer: add its folder to ${import.meta.path}`);
  // Types of an interface may be named from within: state keeps them, host describes them.
  else if (to < from && !typeOnly) problems.push(`${file} imports ${target}, which is further out`);
  const own = drivers.exec(file);
  const other = drivers.exec(target);
  if (own !== null && other !== null && own[0] !== other[0])
    problems.push(`driver ${file} imports another driver, ${target}`);
}

for (const problem of problems) console.log(problem);
if (problems.length > 0) process.exit(1);
