import { EmberError } from "../errors/ember-error.ts";
import { isOtherRoot, type RootFileSystem } from "../types/root.ts";
import type { ImageConfig, ImageSummary } from "../types.ts";
import type { Database, Row } from "./database.ts";
import { integer, json, text, textOrNull } from "./row.ts";

export interface ImageRecord extends ImageSummary {
  readonly source: string;
  readonly config: ImageConfig;
}

export function insertImage(db: Database, image: ImageRecord): void {
  db.transaction(() => {
    if (db.get("SELECT 1 FROM images WHERE name = ?", image.name) !== undefined) {
      throw new EmberError("image-exists", `an image named '${image.name}' exists already`, {
        hint: `choose another with --name, or remove it with 'ember image delete ${image.name}'`,
      });
    }
    db.run(
      `INSERT INTO images (id, name, digest, architecture, source, disk_bytes, used_bytes, config, created_at, file_system)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      image.id,
      image.name,
      image.digest,
      image.architecture,
      image.source,
      image.diskBytes,
      image.usedBytes,
      JSON.stringify(image.config),
      image.createdAt,
      image.fileSystem,
    );
  });
}

export function findImage(db: Database, name: string): ImageRecord | undefined {
  const row = db.get("SELECT * FROM images WHERE name = ?", name);
  return row === undefined ? undefined : toImage(row);
}

export function findImageById(db: Database, id: string): ImageRecord | undefined {
  const row = db.get("SELECT * FROM images WHERE id = ?", id);
  return row === undefined ? undefined : toImage(row);
}

export function listImages(db: Database): ImageRecord[] {
  return db.all("SELECT * FROM images ORDER BY name").map(toImage);
}

export function renameImage(db: Database, id: string, name: string): void {
  db.run("UPDATE images SET name = ? WHERE id = ?", name, id);
}

export function deleteImageRecord(db: Database, id: string): void {
  db.run("DELETE FROM images WHERE id = ?", id);
}

function toImage(row: Row): ImageRecord {
  return {
    id: text(row, "id"),
    name: text(row, "name"),
    digest: text(row, "digest"),
    architecture: text(row, "architecture"),
    source: text(row, "source"),
    diskBytes: integer(row, "disk_bytes"),
    usedBytes: integer(row, "used_bytes"),
    config: parseImageConfig(json(row, "config")),
    createdAt: text(row, "created_at"),
    lastUsedAt: textOrNull(row, "last_used_at"),
    fileSystem: parseFileSystem(text(row, "file_system")),
  };
}

function parseFileSystem(value: string): RootFileSystem {
  if (value === "ext4" || isOtherRoot(value)) return value;
  throw new EmberError(
    "database-failed",
    `the database knows no file system ${JSON.stringify(value)} of an image`,
  );
}

/** Reads what `insertImage` wrote: fields that are missing or of another type become empty. */
function parseImageConfig(value: unknown): ImageConfig {
  const config: Record<string, unknown> = typeof value === "object" && value !== null ? { ...value } : {};
  const list = (key: string): readonly string[] => {
    const items = config[key];
    return Array.isArray(items) ? items.filter((item) => typeof item === "string") : [];
  };
  const word = (key: string): string => {
    const item = config[key];
    return typeof item === "string" ? item : "";
  };
  const labels: Record<string, string> = {};
  for (const [key, item] of Object.entries(config["labels"] ?? {})) {
    if (typeof item === "string") labels[key] = item;
  }
  return {
    entrypoint: list("entrypoint"),
    command: list("command"),
    environment: list("environment"),
    user: word("user"),
    workdir: word("workdir"),
    stopSignal: word("stopSignal"),
    exposedPorts: list("exposedPorts"),
    labels,
  };
}
