import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { EmberError } from "../errors/ember-error.ts";
import { ensurePrivateFolder } from "../host/files.ts";
import { migrations } from "./schema.ts";

export type Row = Readonly<Record<string, SQLOutputValue>>;

/**
 * The one truth about an installation: `<state-dir>/ember.db`. SQLite in WAL mode with full synchronisation, so
 * that what a transaction wrote survives power loss. The folder is the owner's alone (the database holds keys).
 */
export class Database implements Disposable {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Whether an installation has been begun in this folder. */
  static exists(stateDir: string): boolean {
    return existsSync(join(stateDir, "ember.db"));
  }

  /** Opens the database, making and migrating it as needed. Throws `database-failed`, `permission-denied`. */
  static open(stateDir: string): Database {
    ensurePrivateFolder(stateDir);
    const path = join(stateDir, "ember.db");
    try {
      const db = new DatabaseSync(path);
      db.exec("PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
      migrate(db, path);
      return new Database(db);
    } catch (error) {
      if (error instanceof EmberError) throw error;
      throw databaseError(`the state database '${path}' cannot be opened`, error);
    }
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#guard(() => this.#prepare(sql).all(...values));
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#prepare(sql).get(...values));
  }

  /** Number of rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#guard(() => this.#prepare(sql).run(...values)).changes);
  }

  /** Runs `body` in one write transaction: all of it happens, or none. May be nested. `body` must not await. */
  transaction<T>(body: () => T): T {
    if (this.#depth > 0) return body();
    this.#guard(() => this.#db.exec("BEGIN IMMEDIATE"));
    this.#depth++;
    try {
      const result = body();
      this.#guard(() => this.#db.exec("COMMIT"));
      return result;
    } catch (error) {
      this.#db.exec("ROLLBACK");
      throw error;
    } finally {
      this.#depth--;
    }
  }

  /** As `transaction`, for what means nothing once the host has lost its power: it may be lost as well. */
  passing<T>(body: () => T): T {
    if (this.#depth > 0) return body();
    this.#db.exec("PRAGMA synchronous = NORMAL");
    try {
      return this.transaction(body);
    } finally {
      this.#db.exec("PRAGMA synchronous = FULL");
    }
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #guard<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw databaseError("the state database refused", error);
    }
  }
}

function migrate(db: DatabaseSync, path: string): void {
  const version = (): number => Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version() > migrations.length) {
    throw new EmberError("database-failed", `'${path}' was made by a newer ember`, {
      hint: "use that version, or another --state-dir",
    });
  }
  if (version() === migrations.length) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    // Another process may have migrated while this one waited for the lock, so ask again.
    for (let next = version(); next < migrations.length; next++) {
      db.exec(migrations[next] ?? "");
      db.exec(`PRAGMA user_version = ${next + 1}`);
    }
    db.exec("COMMIT");
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

function databaseError(what: string, error: unknown): EmberError {
  const message = error instanceof Error ? error.message : String(error);
  if (/disk is full|SQLITE_FULL/i.test(message)) {
    return new EmberError("disk-full", `${what}: ${message}`, {
      hint: "free some space, then try again",
      cause: error,
    });
  }
  const hint = /not a database|malformed/i.test(message)
    ? "the file is damaged: restore it from a backup, or move the state folder away and run 'ember init'"
    : "see that no other program holds it, then try again";
  return new EmberError("database-failed", `${what}: ${message}`, { hint, cause: error });
}
