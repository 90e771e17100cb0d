import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { writeFileAtomic } from "../../../src/host/files.ts";
import { archivesOf } from "../../../src/image/bootstrap/debian.ts";
import { archiveKeyring } from "../../../src/kernel/debian/keyring.ts";
import { runCommand } from "../ember.ts";

// A cloud image takes a minute to build, so it is built once, into a cache outside the tree: its name holds what it is made by.

const cache: string = join(
  process.env["EMBER_BUILD_CACHE"] ?? join(homedir(), ".cache", "ember-build"),
  "cloud-image",
);
const suite = "bookworm";
const weekMs = 7 * 24 * 3600 * 1000;

/** Why no cloud image can be built here; undefined when one can. */
export function missingForCloudImage(): string | undefined {
  return process.getuid?.() === 0 ? undefined : "building a cloud image needs root";
}

/** Path of a compressed qcow2 file, as Debian publishes its cloud images. Nobody may change it. */
export async function cloudImage(): Promise<string> {
  mkdirSync(cache, { recursive: true });
  const recipe = ["build", "finish"]
    .map((name) => readFileSync(join(import.meta.dir, name), "utf8"))
    .join("");
  const name = `${suite}-${createHash("sha256").update(recipe).digest("hex").slice(0, 12)}.qcow2`;
  const target = join(cache, name);
  if (!existsSync(target)) await build(target);
  const now = new Date();
  utimesSync(target, now, now); // it is in use: see below
  for (const other of readdirSync(cache).filter((entry) => entry.endsWith(".qcow2"))) {
    const usedAt = statSync(join(cache, other), { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - usedAt > weekMs) rmSync(join(cache, other), { force: true });
  }
  return target;
}

async function build(target: string): Promise<void> {
  process.stderr.write("building a cloud image, once; a minute or two\n");
  const sources = join(cache, "sources.list");
  const keyring = archiveKeyring(cache);
  const lines = archivesOf(suite).map(
    ({ uri, suite: name }) => `deb [signed-by=${keyring}] ${uri} ${name} main\n`,
  );
  writeFileAtomic(sources, lines.join(""));
  const { status, stderr } = await runCommand(join(import.meta.dir, "build"), [suite, sources, target], {
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: homedir() },
    timeoutMs: 1_200_000,
  });
  if (status !== 0) throw new Error(`building the cloud image ended with ${status}: ${stderr.slice(-4000)}`);
}
