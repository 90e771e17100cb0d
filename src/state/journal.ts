import { EmberError, toEmberError } from "../errors/ember-error.ts";
import { isAlive, ownIdentity } from "../host/process-identity.ts";
import type { Database, Row } from "./database.ts";
import { integer, json, stringMap, text } from "./row.ts";

/** What an operation needs to be resumed or undone by another process: ids and names only, all text. */
export type OperationData = Readonly<Record<string, string>>;

/**
 * One step of an operation. Both functions are idempotent, and work from `data` and the database alone, since the
 * process that undoes or resumes is not the one that began. `run` may return more data for the steps after it.
 */
export interface Step<Context> {
  readonly name: string;
  run(
    context: Context,
    data: OperationData,
    signal: AbortSignal | undefined,
  ): Promise<OperationData | undefined>;
  /** Post-condition: as if `run` had never begun. Called also when `run` was cut short at any point. */
  undo?(context: Context, data: OperationData): Promise<void>;
}

/**
 * A change that takes several steps, as data. `recovery` says what becomes of it when it is cut short: something
 * half made is undone, something half removed is finished.
 */
export interface Operation<Context> {
  readonly kind: string;
  readonly recovery: "undo" | "finish";
  readonly steps: readonly Step<Context>[];
  /** Changes the database in the very transaction that ends the operation: it is done or not begun, never undone. */
  conclude?(context: Context, data: OperationData): void;
  /** Name of the last step that stays when a step failed with this error; undefined undoes everything. */
  keepAfter?(error: EmberError, data: OperationData): string | undefined;
}

/** Called around every step; tests use it to stop an operation anywhere. */
export type StepObserver = (kind: string, step: string, phase: "before" | "after") => void;

/**
 * The journal: each step is written down before it is done, so that whatever ends this process, power loss
 * included, the next command can finish or undo the operation.
 */
export class Journal<Context> {
  readonly #db: Database;
  readonly #loadOperations: () => Promise<readonly Operation<Context>[]>;
  readonly #observe: StepObserver;

  /** `loadOperations` is called when there is something to recover: it need not cost the other commands anything. */
  constructor(
    db: Database,
    loadOperations: () => Promise<readonly Operation<Context>[]>,
    observe: StepObserver = () => undefined,
  ) {
    this.#db = db;
    this.#loadOperations = loadOperations;
    this.#observe = observe;
  }

  /**
   * Runs an operation to its end. The caller holds the leases `subjects`. On an error or an abort a "finish"
   * operation stays in the journal for the next command; an "undo" operation is undone before the error is thrown.
   */
  async execute(
    operation: Operation<Context>,
    subjects: readonly string[],
    context: Context,
    data: OperationData,
    signal?: AbortSignal,
  ): Promise<OperationData> {
    signal?.throwIfAborted();
    const entry = this.#insert(operation.kind, subjects, data);
    try {
      await this.#forward(operation, entry, context, signal);
      this.#conclude(operation, entry, context);
    } catch (thrown) {
      const error = signal?.aborted === true ? interrupted(thrown) : toEmberError(thrown);
      if (operation.recovery === "finish") this.#abandon(entry.id);
      else await this.#settle(operation, entry, context, operation.keepAfter?.(error, entry.data));
      throw error;
    }
    if (operation.conclude !== undefined) this.#observe(operation.kind, "conclude", "after");
    return entry.data;
  }

  /**
   * Writes down an operation that whoever next holds its subjects begins and ends: what a change leaves to be done,
   * in the transaction that makes the change. Only for operations whose `recovery` is "finish".
   */
  leave(kind: string, subjects: readonly string[], data: OperationData): void {
    this.#abandon(this.#insert(kind, subjects, data).id);
  }

  /** Whether anything is unfinished whose owner is gone. One indexed query; this is every command's first act. */
  hasWork(): boolean {
    return this.#abandoned().length > 0;
  }

  /** Subjects of the abandoned operations, for taking leases before `recover`. */
  abandonedSubjects(): readonly (readonly string[])[] {
    return this.#abandoned().map((entry) => entry.subjects);
  }

  /**
   * Finishes or undoes the abandoned operations on `subjects`, whose leases the caller holds.
   * Returns what was done, newest operation first.
   */
  async recover(subjects: readonly string[], context: Context): Promise<readonly Recovered[]> {
    const done: Recovered[] = [];
    for (const entry of this.#abandoned()) {
      if (!entry.subjects.some((subject) => subjects.includes(subject))) continue;
      const operation = (await this.#loadOperations()).find(({ kind }) => kind === entry.kind);
      if (operation === undefined) throw unknownOperation(entry.kind);
      if (!this.#adopt(entry)) continue;
      await this.#settle(operation, entry, context, undefined);
      done.push({
        kind: entry.kind,
        subjects: entry.subjects,
        outcome: operation.recovery === "undo" ? "undone" : "finished",
      });
    }
    return done;
  }

  async #forward(
    operation: Operation<Context>,
    entry: Entry,
    context: Context,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (const [index, step] of operation.steps.entries()) {
      if (operation.recovery === "undo") signal?.throwIfAborted();
      entry.begun = index + 1;
      this.#save(entry);
      this.#observe(operation.kind, step.name, "before");
      const more = await step.run(context, entry.data, signal);
      if (more !== undefined) entry.data = { ...entry.data, ...more };
      this.#observe(operation.kind, step.name, "after");
    }
  }

  #conclude(operation: Operation<Context>, entry: Entry, context: Context): void {
    if (operation.conclude === undefined) {
      this.#delete(entry.id);
      return;
    }
    this.#observe(operation.kind, "conclude", "before");
    this.#db.transaction(() => {
      operation.conclude?.(context, entry.data);
      this.#delete(entry.id);
    });
  }

  /** Brings a cut-short operation to rest. On failure it stays in the journal, owned by nobody. */
  async #settle(
    operation: Operation<Context>,
    entry: Entry,
    context: Context,
    keep: string | undefined,
  ): Promise<void> {
    try {
      if (operation.recovery === "finish") {
        await this.#forward(operation, entry, context, undefined);
        this.#conclude(operation, entry, context);
      } else {
        await this.#backward(operation, entry, context, keep);
        this.#delete(entry.id);
      }
    } catch (error) {
      this.#abandon(entry.id);
      throw notSettled(operation, error);
    }
  }

  async #backward(
    operation: Operation<Context>,
    entry: Entry,
    context: Context,
    keep: string | undefined,
  ): Promise<void> {
    const last = keep === undefined ? -1 : operation.steps.findIndex((step) => step.name === keep);
    for (let index = entry.begun - 1; index > last; index--) {
      const step = operation.steps[index];
      if (step?.undo !== undefined) await step.undo(context, entry.data);
      // Not before: a step whose undoing was cut short must be undone again.
      entry.begun = index;
      this.#save(entry);
    }
  }

  #insert(kind: string, subjects: readonly string[], data: OperationData): Entry {
    const self = ownIdentity();
    const row = this.#db.get(
      `INSERT INTO operations (kind, subject, begun, data, owner_pid, owner_start_time, owner_boot_id, created_at)
       VALUES (?, ?, 0, ?, ?, ?, ?, ?) RETURNING id`,
      kind,
      JSON.stringify(subjects),
      JSON.stringify(data),
      self.pid,
      self.startTime,
      self.bootId,
      new Date().toISOString(),
    );
    if (row === undefined) throw new EmberError("database-failed", `the journal took no '${kind}'`);
    return { id: integer(row, "id"), kind, subjects, begun: 0, data };
  }

  #save(entry: Entry): void {
    this.#db.run(
      "UPDATE operations SET begun = ?, data = ? WHERE id = ?",
      entry.begun,
      JSON.stringify(entry.data),
      entry.id,
    );
  }

  /** Leaves an operation to the next command. */
  #abandon(id: number): void {
    this.#db.run("UPDATE operations SET owner_pid = 0 WHERE id = ?", id);
  }

  #delete(id: number): void {
    this.#db.run("DELETE FROM operations WHERE id = ?", id);
  }

  #abandoned(): (Entry & { ownerPid: number })[] {
    return this.#db
      .all("SELECT * FROM operations ORDER BY id DESC")
      .filter((row) => !isAlive(owner(row)))
      .map((row) => ({
        id: integer(row, "id"),
        kind: text(row, "kind"),
        subjects: subjectsOf(row),
        begun: integer(row, "begun"),
        data: stringMap(row, "data"),
        ownerPid: integer(row, "owner_pid"),
      }));
  }

  #adopt(entry: Entry & { ownerPid: number }): boolean {
    const self = ownIdentity();
    return (
      this.#db.run(
        "UPDATE operations SET owner_pid = ?, owner_start_time = ?, owner_boot_id = ? WHERE id = ? AND owner_pid = ?",
        self.pid,
        self.startTime,
        self.bootId,
        entry.id,
        entry.ownerPid,
      ) === 1
    );
  }
}

export interface Recovered {
  readonly kind: string;
  readonly subjects: readonly string[];
  readonly outcome: "finished" | "undone";
}

interface Entry {
  readonly id: number;
  readonly kind: string;
  readonly subjects: readonly string[];
  begun: number;
  data: OperationData;
}

function owner(row: Row): { pid: number; startTime: string; bootId: string } {
  return {
    pid: integer(row, "owner_pid"),
    startTime: text(row, "owner_start_time"),
    bootId: text(row, "owner_boot_id"),
  };
}

function subjectsOf(row: Row): readonly string[] {
  const value = json(row, "subject");
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function interrupted(thrown: unknown): EmberError {
  if (thrown instanceof EmberError && thrown.code === "interrupted") return thrown;
  return new EmberError("interrupted", "interrupted; what had been begun was undone", { cause: thrown });
}

function notSettled(operation: Pick<Operation<never>, "kind" | "recovery">, error: unknown): EmberError {
  const cause = toEmberError(error);
  const what = operation.recovery === "undo" ? "undone" : "finished";
  return new EmberError(cause.code, `'${operation.kind}' could not be ${what} yet: ${cause.message}`, {
    hint: cause.hint ?? "remove the cause, then run 'ember reconcile'",
    cause: error,
  });
}

function unknownOperation(kind: string): EmberError {
  return new EmberError(
    "database-failed",
    `the journal holds an unfinished '${kind}', which this ember does not know`,
    {
      hint: "run 'ember reconcile' with the version that began it",
    },
  );
}
