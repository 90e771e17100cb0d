import { statSync, truncateSync, writeFileSync } from "node:fs";
import { run } from "../../../host/run.ts";
import { withMounted } from "../../../image/ext4/testing/disks.ts";
import type { PathFacts, Tree } from "../../../image/ext4/testing/read-tree.ts";
import { readTree } from "../../../image/ext4/testing/read-tree.ts";
import type { ByteString } from "../../../image/tar/bytes.ts";
import { toBytes } from "../../../image/tar/bytes.ts";
import type { ReadableDisk } from "../../../storage/storage.ts";
import type { FileChange } from "../../../types.ts";
import { diffDisks } from "../diff.ts";

/** A raw disk as a storage hands it out. */
export function readable(path: string, sizeBytes: number, format: "raw" | "qcow2" = "raw"): ReadableDisk {
  return { path, format, sizeBytes, [Symbol.asyncDispose]: async () => undefined };
}

/** A change as one line that sorts and reads well. */
export function lineOf({ change, path, type, aspects }: FileChange): string {
  return `${path} ${change} ${type} ${aspects.join(",")}`;
}

/** What the kernel shows on two disks that it mounts, compared. */
export async function expectedChanges(before: string, after: string): Promise<string[]> {
  const first = await withMounted(before, "ro", readTree);
  const second = await withMounted(after, "ro", readTree);
  return compareTrees(first, second);
}

export function compareTrees(first: Tree, second: Tree): string[] {
  const lines: string[] = [];
  for (const path of new Set([...Object.keys(first), ...Object.keys(second)])) {
    const before = first[path];
    const after = second[path];
    if (after === undefined) lines.push(`${shown(path)} removed ${typeOf(before)} `);
    else if (before === undefined) lines.push(`${shown(path)} added ${typeOf(after)} `);
    else {
      const aspects = aspectsOf(before, after);
      if (aspects.length > 0) lines.push(`${shown(path)} modified ${typeOf(after)} ${aspects.join(",")}`);
    }
  }
  return lines.sort();
}

function aspectsOf(before: PathFacts, after: PathFacts): string[] {
  const type = typeOf(after);
  const aspects: string[] = [];
  if (typeOf(before) !== type) aspects.push("type");
  else if (before.content !== after.content || before.kind !== after.kind) {
    aspects.push(type === "symlink" ? "target" : type === "device" ? "device" : "content");
  }
  if (before.mode !== after.mode) aspects.push("mode");
  if (before.owner !== after.owner) aspects.push("owner");
  if (!Bun.deepEquals(before.xattrs, after.xattrs)) aspects.push("xattrs");
  return aspects;
}

const types: Readonly<Record<string, string>> = {
  folder: "directory",
  "character-device": "device",
  "block-device": "device",
};

function typeOf(facts: PathFacts | undefined): string {
  return types[facts?.kind ?? ""] ?? facts?.kind ?? "";
}

function shown(path: ByteString): string {
  return path === "." ? "/" : `/${toBytes(path).toString("utf8")}`;
}

export async function makeDisk(path: string, sizeBytes: number, options: readonly string[]): Promise<void> {
  writeFileSync(path, "");
  truncateSync(path, sizeBytes);
  await run("mke2fs", ["-q", "-F", ...options, path]);
}

export async function changesOf(before: string, after: string): Promise<string[]> {
  const changes = await diffDisks(
    readable(before, statSync(before).size),
    readable(after, statSync(after).size),
  );
  return changes.map(lineOf).sort();
}
