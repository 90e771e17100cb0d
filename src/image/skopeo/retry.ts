import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../../errors/ember-error.ts";

const defaultWaitMs = 1000;
const retries = 3;

/**
 * Does `attempt` again while what it says is something that passes by itself: the registry's own trouble, or a line that
 * was dropped. skopeo has a flag for that, but what it counts as passing differs from version to version; after "429
 * Too Many Requests" all of them wait by themselves. Returns what the last attempt said; undefined for a success. Throws
 * `interrupted` while it waits.
 */
export async function untilItPasses(
  attempt: () => Promise<string | undefined>,
  waitMs: number = defaultWaitMs,
  signal?: AbortSignal | undefined,
): Promise<string | undefined> {
  for (let tried = 0; ; tried++) {
    const said = await attempt();
    if (said === undefined || tried === retries || !passes(said)) return said;
    // A little at random, so that those who failed together do not come back together.
    await pause(waitMs * 2 ** tried * (1 + Math.random() / 4), signal);
  }
}

/** Whether trying again may help. A name that is not known and a port that nobody listens at are as a rule mistakes. */
export function passes(said: string): boolean {
  const last = said.trim().split("\n").at(-1) ?? "";
  if (/connection refused|no such host|x509:|HTTP response to HTTPS client/i.test(last)) return false;
  return (
    /(?:HTTP status|status ?code|StatusCode)[^"]{0,40}?\b5\d\d\b/i.test(last) ||
    /\b50[0234] (?:Internal Server Error|Bad Gateway|Service Unavailable|Gateway Time-?out)/i.test(last) ||
    /unexpected EOF|: EOF\b|connection reset|broken pipe|TLS handshake timeout|i\/o timeout/i.test(last)
  );
}

async function pause(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(waitMs, undefined, signal === undefined ? {} : { signal });
  } catch (cause) {
    throw new EmberError("interrupted", "waiting to ask the registry again was interrupted", { cause });
  }
}
