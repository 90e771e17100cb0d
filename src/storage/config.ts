import { EmberError } from "../errors/ember-error.ts";
import type { StorageConfig } from "./storage.ts";

/** Reads the `storage` setting, JSON that `init` wrote. Throws `database-failed`. */
export function parseStorageConfig(stored: string): StorageConfig {
  const value: unknown = JSON.parse(stored);
  if (typeof value !== "object" || value === null) throw unexpected(stored);
  const config: Readonly<Record<string, unknown>> = { ...value };
  const { driver, folder, backingFile, backingBytes } = config;
  if (typeof driver !== "string" || typeof folder !== "string") throw unexpected(stored);
  return {
    driver,
    folder,
    ...(typeof backingFile === "string" ? { backingFile } : {}),
    ...(typeof backingBytes === "number" ? { backingBytes } : {}),
  };
}

function unexpected(stored: string): EmberError {
  return new EmberError("database-failed", `the storage setting holds something unexpected: ${stored}`, {
    hint: "the state database was changed from outside: restore it from a backup",
  });
}
