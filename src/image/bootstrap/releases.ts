import { createHash } from "node:crypto";
import { EmberError } from "../../errors/ember-error.ts";
import type { Archive } from "../../kernel/debian/archives.ts";
import { parseStanza } from "../../kernel/debian/stanza.ts";
import { download } from "../../kernel/download.ts";
import { MemorySink } from "../../kernel/sinks.ts";
import type { TaskOptions } from "../../types.ts";
import type { Distribution } from "./distribution.ts";

/** Which state of the archives an image is made from. */
export interface ArchiveState {
  /** Hex digits: another whenever any package has changed. */
  readonly fingerprint: string;
  /** When the newest was published, in seconds since 1970: the time of what is made from it. */
  readonly publishedSeconds: number;
}

/** Debian's own has 150 kB. */
const limitBytes = 8 * 1024 ** 2;

/**
 * Asks the archives for their state. The signatures are not looked at: this only tells whether something made before is
 * still what would be made now, and apt checks them when it is made. Throws `image-not-found` when the mirror lacks the
 * suite, `download-failed`, `interrupted`.
 */
export async function stateOf(
  archives: readonly Archive[],
  distribution: Distribution,
  task: TaskOptions,
): Promise<ArchiveState> {
  const texts = await Promise.all(archives.map((archive) => fetchRelease(archive, distribution, task)));
  const hash = createHash("sha256");
  for (const text of texts) hash.update(text);
  const dates = texts.map((text) => Date.parse(parseStanza(text.toString("utf8")).get("date") ?? ""));
  const newestMs = Math.max(...dates.filter((date) => Number.isSafeInteger(date) && date > 0), 0);
  return { fingerprint: hash.digest("hex"), publishedSeconds: Math.floor(newestMs / 1000) };
}

async function fetchRelease(
  { uri, suite }: Archive,
  { title, suites }: Distribution,
  task: TaskOptions,
): Promise<Buffer> {
  const sink = new MemorySink();
  try {
    const limits = task.signal === undefined ? {} : { signal: task.signal };
    await download(`${uri}/dists/${suite}/InRelease`, { atMost: limitBytes }, sink, limits);
  } catch (error) {
    if (!(error instanceof EmberError) || !/\b(404|410)\b/.test(error.message)) throw error;
    throw new EmberError("image-not-found", `the mirror '${uri}' has no suite '${suite}'`, {
      hint: `write a codename that ${title} has: ${suites}`,
      cause: error,
    });
  }
  return sink.content();
}
