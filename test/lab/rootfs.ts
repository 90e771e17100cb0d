import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { writeFileAtomic } from "../../src/host/files.ts";
import { archivesOf } from "../../src/image/bootstrap/debian.ts";
import { archiveKeyring } from "../../src/kernel/debian/keyring.ts";
import { runCommand } from "../support/ember.ts";

// What takes long is built once, by scripts, into a cache outside the tree: its name holds all that it depends on.

const cache: string = join(
  process.env["EMBER_BUILD_CACHE"] ?? join(homedir(), ".cache", "ember-build"),
  "lab",
);

/** Bun as the tests run here: the guest's processor is emulated with all that Bun's usual build needs. */
const bun: string = process.execPath;

/** The tar of the guest's root file system, for a kernel of Debian's such as "6.1.0-56-cloud-amd64". */
export async function labRootfs(kernel: string): Promise<string> {
  mkdirSync(cache, { recursive: true });
  const sources = writeSources();
  const recipe = digest(["apt", "build-modules"].map(readScript).join(""));
  const modules = join(cache, `modules-${kernel}-${recipe}`);
  await build("build-modules", [kernel, sources, modules], "OpenZFS's modules");
  const parts = [recipe, readScript("build-rootfs"), String(statSync(bun).size)];
  const target = join(cache, `rootfs-${kernel}-${digest(parts.join(" "))}.tar`);
  await build("build-rootfs", [modules, bun, sources, target], "the root file system");
  removeUnused();
  return target;
}

/** The archives that this machine's apt uses, with "contrib": OpenZFS is there. */
function writeSources(): string {
  const path = join(cache, "sources.list");
  const lines = archivesOf("bookworm").map(
    ({ uri, suite }) => `deb [signed-by=${archiveKeyring(cache)}] ${uri} ${suite} main contrib\n`,
  );
  writeFileAtomic(path, lines.join(""));
  return path;
}

async function build(script: string, args: readonly string[], what: string): Promise<void> {
  const target = args.at(-1) ?? "";
  if (!existsSync(target)) {
    process.stderr.write(`the lab: building ${what}, once; some minutes\n`);
    const { status, stderr } = await runCommand(join(import.meta.dir, script), args, {
      env: { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`, HOME: homedir() },
      timeoutMs: 3_600_000,
    });
    if (status !== 0) throw new Error(`${script} ended with ${status}: ${stderr.slice(-4000)}`);
  }
  const now = new Date();
  utimesSync(target, now, now); // it is in use: see removeUnused
}

const weekMs = 7 * 24 * 3600 * 1000;

/** Each set takes half a gigabyte; other checkouts of the tree may use others. */
function removeUnused(): void {
  for (const name of readdirSync(cache).filter((entry) => /^(rootfs|modules)-/.test(entry))) {
    const path = join(cache, name);
    const usedAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - usedAt > weekMs) rmSync(path, { recursive: true, force: true });
  }
}

function readScript(name: string): string {
  return readFileSync(join(import.meta.dir, name), "utf8");
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
