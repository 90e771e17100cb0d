import type { KernelSummary } from "../types.ts";
import type { Database, Row } from "./database.ts";
import { integer, text } from "./row.ts";

export type KernelRecord = Omit<KernelSummary, "isDefault">;

/** Inserts or replaces: pulling a preset again brings its newest version. */
export function upsertKernel(db: Database, kernel: KernelRecord): void {
  db.run(
    `INSERT INTO kernels (name, version, architecture, format, source, size_bytes, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET version = excluded.version, architecture = excluded.architecture,
       format = excluded.format, source = excluded.source, size_bytes = excluded.size_bytes, created_at = excluded.created_at`,
    kernel.name,
    kernel.version,
    kernel.architecture,
    kernel.format,
    kernel.source,
    kernel.sizeBytes,
    kernel.createdAt,
  );
}

export function findKernel(db: Database, name: string): KernelRecord | undefined {
  const row = db.get("SELECT * FROM kernels WHERE name = ?", name);
  return row === undefined ? undefined : toKernel(row);
}

export function listKernelRecords(db: Database): KernelRecord[] {
  return db.all("SELECT * FROM kernels ORDER BY name").map(toKernel);
}

export function deleteKernelRecord(db: Database, name: string): void {
  db.run("DELETE FROM kernels WHERE name = ?", name);
}

function toKernel(row: Row): KernelRecord {
  return {
    name: text(row, "name"),
    version: text(row, "version"),
    architecture: text(row, "architecture"),
    format: text(row, "format"),
    source: text(row, "source"),
    sizeBytes: integer(row, "size_bytes"),
    createdAt: text(row, "created_at"),
  };
}
