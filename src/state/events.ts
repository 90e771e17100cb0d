import type { EmberEvent } from "../types.ts";
import type { Database, Row } from "./database.ts";
import { integer, json, text } from "./row.ts";

type Detail = EmberEvent["detail"];

/** Events kept; older ones are dropped as new ones come. */
const keptEvents = 10_000;

export function recordEvent(db: Database, kind: string, subject: string, detail: Detail = {}): void {
  db.run(
    "INSERT INTO events (at, kind, subject, detail) VALUES (?, ?, ?, ?)",
    new Date().toISOString(),
    kind,
    subject,
    JSON.stringify(detail),
  );
  db.run("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", keptEvents);
}

/** Events after `afterId` and not before `since` (ISO 8601), oldest first, at most 1,000. */
export function readEvents(db: Database, afterId: number, since = ""): readonly EmberEvent[] {
  return db
    .all("SELECT * FROM events WHERE id > ? AND at >= ? ORDER BY id LIMIT 1000", afterId, since)
    .map(toEvent);
}

function toEvent(row: Row): EmberEvent {
  const detail: Record<string, string | number | boolean | null> = {};
  const stored = json(row, "detail");
  for (const [key, value] of Object.entries(stored ?? {})) {
    if (
      value === null ||
      typeof value === "string" ||
      typeof value === "number" ||
      typeof value === "boolean"
    ) {
      detail[key] = value;
    }
  }
  return {
    id: integer(row, "id"),
    at: text(row, "at"),
    kind: text(row, "kind"),
    subject: text(row, "subject"),
    detail,
  };
}
