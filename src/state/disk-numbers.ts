import { EmberError } from "../errors/ember-error.ts";
import type { DiskNumbers } from "../storage/storage.ts";
import type { Database } from "./database.ts";
import { integer, text } from "./row.ts";

/** The numbers in the state database; safe with other commands at work. */
export function diskNumbers(db: Database): DiskNumbers {
  const find = (key: string): number | undefined => {
    const row = db.get("SELECT number FROM disk_numbers WHERE key = ?", key);
    return row === undefined ? undefined : integer(row, "number");
  };
  return {
    find,
    take: (key, largest) =>
      db.transaction(() => {
        const known = find(key);
        if (known !== undefined) return known;
        const number = lowestFree(db);
        if (number > largest) {
          throw new EmberError("unsupported", `the storage holds ${largest} disks already, its most`, {
            hint: "delete VMs or snapshots that are no longer needed",
          });
        }
        db.run("INSERT INTO disk_numbers (key, number) VALUES (?, ?)", key, number);
        return number;
      }),
    free: (key) => {
      db.run("DELETE FROM disk_numbers WHERE key = ?", key);
    },
    all: () =>
      new Map(
        db
          .all("SELECT key, number FROM disk_numbers")
          .map((row) => [text(row, "key"), integer(row, "number")]),
      ),
  };
}

function lowestFree(db: Database): number {
  const row = db.get(
    `SELECT min(candidate) AS number FROM (
       SELECT 1 AS candidate UNION ALL SELECT number + 1 FROM disk_numbers
     ) WHERE candidate NOT IN (SELECT number FROM disk_numbers)`,
  );
  return row === undefined ? 1 : integer(row, "number");
}
