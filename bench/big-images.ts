import { chmodSync, closeSync, openSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { BenchInstallation } from "./installation.ts";

export const mib: number = 2 ** 20;
export const gib: number = 2 ** 30;

/** Images of one size each, half of them data: "img-16" is one of 16 GiB. */
export function makeImages(bench: BenchInstallation, folder: string, sizesGib: readonly number[]): void {
  for (const size of sizesGib) {
    bench.importImage(`img-${size}`);
    const id = imageIdOf(bench, `img-${size}`);
    enlarge(join(folder, "images", `${id}.ext4`), size * gib);
    using db = new DatabaseSync(join(bench.stateDir, "ember.db"));
    db.prepare("UPDATE images SET disk_bytes = ? WHERE id = ?").run(size * gib, id);
  }
}

export function imageIdOf(bench: BenchInstallation, name: string): string {
  using db = new DatabaseSync(join(bench.stateDir, "ember.db"), { readOnly: true });
  return String(db.prepare("SELECT id FROM images WHERE name = ?").get(name)?.["id"]);
}

/** Makes a disk larger, and writes data that does not compress into every other 64 MiB of what is new. */
function enlarge(path: string, sizeBytes: number): void {
  chmodSync(path, 0o600);
  truncateSync(path, sizeBytes);
  const noise = crypto.getRandomValues(Buffer.alloc(65_536));
  const chunk = Buffer.concat(Array.from({ length: (4 * mib) / noise.length }, () => noise));
  const file = openSync(path, "r+");
  try {
    for (let start = 64 * mib; start < sizeBytes; start += 128 * mib) {
      for (let at = start; at < start + 64 * mib; at += chunk.length)
        writeSync(file, chunk, 0, chunk.length, at);
    }
  } finally {
    closeSync(file);
    chmodSync(path, 0o400);
  }
}
