import { EmberError } from "../../errors/ember-error.ts";
import type { ExpectedFile } from "../download.ts";
import type { Archive } from "./archives.ts";
import { parseStanza, type Stanza } from "./stanza.ts";

/** The signed list of an archive's files. */
export interface Release {
  /** Undefined when the archive has no such file. `path` is below "dists/SUITE/". */
  readonly find: (path: string) => ExpectedFile | undefined;
}

/** How far the host's clock may be behind before a release looks like it is from the future. */
const clockSlackMs = 24 * 3_600_000;

/**
 * Reads the text of a Release file, whose signature must have been checked before. Throws `verification-failed` when it
 * is another suite's, from the future, or no longer valid.
 */
export function parseRelease(text: string, archive: Archive, nowMs: number): Release {
  const stanza = parseStanza(text);
  checkSuite(stanza, archive);
  checkDates(stanza, archive, nowMs);
  const lines = (stanza.get("sha256") ?? "").split("\n");
  return { find: (path) => findFile(lines, path) };
}

/** The signature says only that it is Debian's: a mirror could hand out an older suite in this one's place. */
function checkSuite(stanza: Stanza, archive: Archive): void {
  const names = [stanza.get("suite"), stanza.get("codename")];
  if (names.includes(archive.suite)) return;
  throw new EmberError(
    "verification-failed",
    `'${archive.uri}' hands out the release '${names.join(" ").trim()}' as '${archive.suite}'`,
    { hint: "use another mirror" },
  );
}

function checkDates(stanza: Stanza, archive: Archive, nowMs: number): void {
  const date = Date.parse(stanza.get("date") ?? "");
  if (Number.isNaN(date)) throw invalid(archive, "has no date", "use another mirror");
  if (date > nowMs + clockSlackMs) {
    throw invalid(archive, `is dated ${stanza.get("date")}, in the future`, "set this host's clock");
  }
  const until = stanza.get("valid-until");
  if (until !== undefined && !(Date.parse(until) > nowMs)) {
    throw invalid(
      archive,
      `was valid until ${until}`,
      "check this host's clock, or use a mirror that is up to date",
    );
  }
}

function invalid(archive: Archive, detail: string, hint: string): EmberError {
  return new EmberError(
    "verification-failed",
    `the release '${archive.suite}' of '${archive.uri}' ${detail}`,
    { hint },
  );
}

function findFile(lines: readonly string[], path: string): ExpectedFile | undefined {
  for (const line of lines) {
    const [, sha256, size, name] = /^([0-9a-f]{64}) +([0-9]{1,12}) +(\S+)$/.exec(line.trim()) ?? [];
    if (name === path && sha256 !== undefined) return { sha256, sizeBytes: Number(size) };
  }
  return undefined;
}
