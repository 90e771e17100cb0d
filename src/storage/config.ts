import { EmberError } from "../errors/ember-error.ts";
import type { StorageConfig } from "./storage.ts";

// By hand: every command reads this, and a schema library takes longer to load than most commands take.

/** Reads the `storage` setting, JSON that `init` wrote. Throws `database-failed`. */
export function parseStorageConfig(stored: string): StorageConfig {
  const value: unknown = JSON.parse(stored);
  if (typeof value !== "object" || value === null) throw unexpected(stored);
  const config: Readonly<Record<string, unknown>> = { ...value };
  const { driver, folder, fileSystem } = config;
  if (typeof driver !== "string" || typeof folder !== "string") throw unexpected(stored);
  return {
    driver,
    folder,
    ...pick(config, "string", ["backingFile", "device", "pool", "dataset"]),
    ...pick(config, "number", ["backingBytes"]),
    ...pick(config, "boolean", ["ownsPool", "vdo"]),
    ...(fileSystem === "xfs" || fileSystem === "btrfs" ? { fileSystem } : {}),
  };
}

interface Kinds {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
}

/** The named values, as far as they are there and of that type. */
function pick<Type extends keyof Kinds, Key extends string>(
  config: Readonly<Record<string, unknown>>,
  type: Type,
  keys: readonly Key[],
): { [K in Key]?: Kinds[Type] } {
  const found: { [K in Key]?: Kinds[Type] } = {};
  for (const key of keys) {
    const value = config[key];
    if (isOf(value, type)) found[key] = value;
  }
  return found;
}

function isOf<Type extends keyof Kinds>(value: unknown, type: Type): value is Kinds[Type] {
  return typeof value === type;
}

function unexpected(stored: string): EmberError {
  return new EmberError("database-failed", `the storage setting holds something unexpected: ${stored}`, {
    hint: "the state database was changed from outside: restore it from a backup",
  });
}
