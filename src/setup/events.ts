import { setTimeout as sleep } from "node:timers/promises";
import type { Installation } from "../installation.ts";
import { readEvents } from "../state/events.ts";
import type { EmberEvent } from "../types.ts";

const pollMs = 200;

/** Past events since a time (ISO 8601), oldest first; then with `follow` new ones until the signal aborts. */
export async function* events(
  installation: Installation,
  options: { readonly since?: string; readonly follow?: boolean; readonly signal?: AbortSignal } = {},
): AsyncGenerator<EmberEvent> {
  let last = 0;
  for (;;) {
    const batch = readEvents(installation.db, last, options.since);
    for (const event of batch) {
      last = event.id;
      yield event;
    }
    if (batch.length > 0) continue;
    if (options.follow !== true || options.signal?.aborted === true) return;
    await sleep(pollMs, undefined, { signal: options.signal }).catch(() => undefined); // the next turn returns
  }
}
