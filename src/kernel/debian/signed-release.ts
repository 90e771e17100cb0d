import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifyClearSigned } from "../../host/gpgv.ts";
import { type DownloadOptions, download } from "../download.ts";
import { MemorySink } from "../sinks.ts";
import type { Archive } from "./archives.ts";
import { parseRelease, type Release } from "./release.ts";

/** Debian's own is 150 kB. */
const limitBytes = 8 * 1024 ** 2;

/**
 * The archive's list of files, trusted: fetched, its signature checked with the given keys, and only then read.
 * Throws `download-failed`, `verification-failed`, `tool-missing` (gpgv), `interrupted`.
 */
export async function fetchRelease(
  archive: Archive,
  keyringPath: string,
  options: DownloadOptions,
): Promise<Release> {
  const sink = new MemorySink();
  await download(`${archive.uri}/dists/${archive.suite}/InRelease`, { atMost: limitBytes }, sink, options);
  const folder = await mkdtemp(join(tmpdir(), "ember-release-"));
  try {
    const path = join(folder, "InRelease");
    const outputPath = join(folder, "Release");
    await writeFile(path, sink.content());
    await verifyClearSigned({ path, outputPath, keyringPath }, options.signal);
    return parseRelease(await readFile(outputPath, "utf8"), archive, Date.now());
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
