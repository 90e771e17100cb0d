import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../errors/ember-error.ts";
import { isAlive, ownIdentity, type ProcessIdentity } from "../host/process-identity.ts";
import { randomHex } from "../host/random.ts";
import type { Database } from "./database.ts";
import { integer, text } from "./row.ts";

export interface LeaseOptions {
  /** How long to wait for another holder. Default 60 s; 0 tries once. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Names held by this process until disposed. */
export interface Lease extends Disposable {
  readonly names: readonly string[];
}

const pollMs = 20;

/**
 * Takes the names for this process, all or none, in sorted order so that two commands never wait for each other.
 * A holder that has died does not count. Throws `busy`, naming the holder and what it does, or `interrupted`.
 */
export async function acquireLease(
  db: Database,
  names: readonly string[],
  purpose: string,
  options: LeaseOptions = {},
): Promise<Lease> {
  const sorted = [...new Set(names)].sort();
  const token = randomHex(16);
  const deadline = performance.now() + (options.timeoutMs ?? 60_000);
  for (;;) {
    const holder = db.passing(() => take(db, sorted, purpose, token));
    if (holder === undefined) break;
    if (performance.now() >= deadline) throw busy(holder);
    await sleep(pollMs, undefined, { signal: options.signal }).catch(() => {
      throw new EmberError("interrupted", `interrupted while waiting for ${describe(holder)}`);
    });
  }
  return {
    names: sorted,
    [Symbol.dispose]: () => {
      db.passing(() => db.run("DELETE FROM leases WHERE token = ?", token));
    },
  };
}

interface Holder extends ProcessIdentity {
  readonly name: string;
  readonly purpose: string;
  readonly since: string;
}

/** Inserts all names, or returns the live holder of the first that is taken. Runs inside a transaction. */
function take(db: Database, names: readonly string[], purpose: string, token: string): Holder | undefined {
  for (const name of names) {
    const row = db.get("SELECT * FROM leases WHERE name = ?", name);
    if (row === undefined) continue;
    const holder: Holder = {
      name,
      pid: integer(row, "pid"),
      startTime: text(row, "start_time"),
      bootId: text(row, "boot_id"),
      purpose: text(row, "purpose"),
      since: text(row, "acquired_at"),
    };
    if (isAlive(holder)) return holder;
    db.run("DELETE FROM leases WHERE name = ?", name);
  }
  const self = ownIdentity();
  const now = new Date().toISOString();
  for (const name of names) {
    db.run(
      "INSERT INTO leases (name, pid, start_time, boot_id, token, purpose, acquired_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
      name,
      self.pid,
      self.startTime,
      self.bootId,
      token,
      purpose,
      now,
    );
  }
  return undefined;
}

function describe(holder: Holder): string {
  return `'${holder.purpose}' (pid ${holder.pid}, since ${holder.since})`;
}

function busy(holder: Holder): EmberError {
  return new EmberError("busy", `${holder.name.replace(":", " ")} is held by ${describe(holder)}`, {
    hint: "wait until it is done, or end that process",
  });
}
