import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../support/ember.ts";

// What takes long is built once, by scripts, into a cache outside the tree: its name holds all that it depends on.

const root = join(import.meta.dir, "..", "..");

const cache: string = join(
  process.env["EMBER_BUILD_CACHE"] ?? join(homedir(), ".cache", "ember-build"),
  "lab",
);

/** Bun as the tests run here: the guest's processor is emulated with all that Bun's usual build needs. */
const bun: string = process.execPath;

/** The tar of the guest's root file system, for a kernel of Debian's such as "6.1.0-56-cloud-amd64". */
export async function labRootfs(kernel: string): Promise<string> {
  const modules = join(cache, `modules-${kernel}-${digestOf("build-modules")}`);
  await build("build-modules", [kernel, modules]);
  const parts = [digestOf("build-rootfs"), digestOf("sources"), String(statSync(bun).size)];
  const target = join(cache, `rootfs-${kernel}-${digest(parts.join(" "))}.tar`);
  await build("build-rootfs", [modules, bun, target]);
  return target;
}

async function build(script: string, args: readonly string[]): Promise<void> {
  const target = args.at(-1) ?? "";
  if (existsSync(target)) return;
  removeOlder(script);
  const { status, stderr } = await runCommand(join(import.meta.dir, script), args, {
    cwd: root,
    env: { PATH: process.env["PATH"] ?? "", HOME: homedir() },
    timeoutMs: 3_600_000,
  });
  if (status !== 0) throw new Error(`${script} ended with ${status}: ${stderr.slice(-4000)}`);
}

/** One set of modules and one root file system are enough; each takes hundreds of megabytes. */
function removeOlder(script: string): void {
  if (!existsSync(cache)) return;
  const prefix = script === "build-rootfs" ? "rootfs-" : "modules-";
  for (const name of readdirSync(cache)) {
    const finished = prefix === "rootfs-" ? name.endsWith(".tar") : !/\.(lock|\w{6})$/.test(name);
    if (name.startsWith(prefix) && finished) rmSync(join(cache, name), { recursive: true, force: true });
  }
}

function digestOf(script: string): string {
  return digest(readFileSync(join(import.meta.dir, script), "utf8"));
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
