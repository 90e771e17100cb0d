// Makes the npm package in dist/npm: JavaScript and types for Bun and Node, the guest binaries and ember-net.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const target = join(root, "dist", "npm");

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const compiled = spawnSync(
  join(root, "node_modules/.bin/tsc"),
  ["-p", join(root, "tsconfig.build.json"), "--outDir", join(target, "lib")],
  { stdio: "inherit" },
);
if (compiled.status !== 0) process.exit(1);

/** package.json, its paths turned from sources to what was compiled from them. */
const manifest: Record<string, unknown> = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const { private: _private, devDependencies: _dev, scripts: _scripts, ...published } = manifest;
const text = JSON.stringify(published, null, 2).replaceAll("./src/", "./lib/").replaceAll('.ts"', '.js"');
writeFileSync(join(target, "package.json"), `${text}\n`);
for (const folder of ["guest", "net"])
  cpSync(join(root, "dist", folder), join(target, "dist", folder), { recursive: true });
for (const file of ["README.md", "LICENSE"]) cpSync(join(root, file), join(target, file));
