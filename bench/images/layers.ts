import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** A layer as a registry has it, and the digest of the archive in it. */
export interface BenchLayer {
  readonly blob: Buffer;
  readonly diffId: string;
  /** Of all files in it. */
  readonly contentBytes: number;
}

/** Larger ones would make layers of very different sizes. */
const largestFileBytes = 16 * 2 ** 20;

/**
 * Layers with this host's own programs, libraries and documents, each file in one of them, in an order that has nothing to
 * do with where they lie. Throws when there are too few.
 */
export function layersOfHost(folder: string, count: number, totalBytes: number): BenchLayer[] {
  const files = filesOfHost();
  return Array.from({ length: count }, () => {
    const names: string[] = [];
    let bytes = 0;
    while (bytes < totalBytes / count) {
      const next = files.pop();
      if (next === undefined) throw new Error(`/usr has less than ${totalBytes} bytes of files`);
      names.push(next.path);
      bytes += next.size;
    }
    return { ...layerOf(folder, names), contentBytes: bytes };
  });
}

function filesOfHost(): { readonly path: string; readonly size: number }[] {
  const found = spawnSync("find", ["/usr", "-xdev", "-type", "f", "-print0"], {
    encoding: "utf8",
    maxBuffer: 2 ** 30,
  });
  const order = new Map<string, string>();
  const files = found.stdout.split("\0").flatMap((path) => {
    const facts = path === "" ? undefined : lstatSync(path, { throwIfNoEntry: false });
    if (facts === undefined || facts.size > largestFileBytes) return [];
    order.set(path, createHash("sha256").update(path).digest("hex"));
    return [{ path, size: facts.size }];
  });
  return files.toSorted((a, b) => ((order.get(a.path) ?? "") < (order.get(b.path) ?? "") ? -1 : 1));
}

function layerOf(folder: string, names: readonly string[]): Omit<BenchLayer, "contentBytes"> {
  const archive = join(folder, "layer.tar");
  // As whoever walks a tree has them: folder by folder.
  writeFileSync(join(folder, "names"), names.toSorted().join("\0"));
  const args = ["-C", "/", "--null", "-T", join(folder, "names"), "-cPf", archive, "--transform=s,^/,,"];
  const made = spawnSync("tar", args, { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`tar failed: ${made.stderr}`);
  const tar = readFileSync(archive);
  rmSync(archive);
  rmSync(join(folder, "names"));
  const diffId = `sha256:${createHash("sha256").update(tar).digest("hex")}`;
  return { blob: gzipSync(tar), diffId };
}
