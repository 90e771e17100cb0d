import { EmberError } from "../errors/ember-error.ts";
import type { Row } from "./database.ts";

/** Readers of one column each: a database edited by hand, or by another version, gives an error and not nonsense. */

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw unexpected(column, value);
}

export function textOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column);
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  if (typeof value === "bigint") return Number(value);
  throw unexpected(column, value);
}

export function integerOrNull(row: Row, column: string): number | null {
  return row[column] === null ? null : integer(row, column);
}

export function oneOf<const T extends string>(row: Row, column: string, allowed: readonly T[]): T {
  const value = row[column];
  const found = allowed.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw unexpected(column, value);
}

/** JSON text of a column that ember itself wrote in the same schema version. */
export function json(row: Row, column: string): unknown {
  try {
    return JSON.parse(text(row, column));
  } catch (cause) {
    throw new EmberError("database-failed", `column '${column}' holds no JSON`, { cause });
  }
}

export function stringList(row: Row, column: string): readonly string[] {
  const value = json(row, column);
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw unexpected(column, value);
}

export function stringMap(row: Row, column: string): Readonly<Record<string, string>> {
  const value = json(row, column);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw unexpected(column, value);
  const result: Record<string, string> = {};
  for (const [key, item] of Object.entries(value)) {
    if (typeof item !== "string") throw unexpected(`${column}.${key}`, item);
    result[key] = item;
  }
  return result;
}

function unexpected(column: string, value: unknown): EmberError {
  return new EmberError("database-failed", `column '${column}' holds ${typeof value} '${String(value)}'`, {
    hint: "the state database was changed from outside: restore it from a backup",
  });
}
