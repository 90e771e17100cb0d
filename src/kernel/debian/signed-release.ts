import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { verifyClearSigned } from "../../host/gpgv.ts";
import { scratchBeside, sweepBeside } from "../../storage/scratch.ts";
import { type DownloadOptions, download } from "../download.ts";
import { MemorySink } from "../sinks.ts";
import type { Archive } from "./archives.ts";
import { parseRelease, type Release } from "./release.ts";

/** Debian's own is 150 kB. */
const limitBytes = 8 * 1024 ** 2;

export interface ReleaseRequest {
  readonly archive: Archive;
  readonly keyringPath: string;
  /** For scratch files; nothing stays in it. */
  readonly folder: string;
}

/**
 * The archive's list of files, trusted: fetched, its signature checked with the given keys, and only then read.
 * Throws `download-failed`, `verification-failed`, `tool-missing` (gpgv), `interrupted`.
 */
export async function fetchRelease(request: ReleaseRequest, options: DownloadOptions): Promise<Release> {
  const { archive, keyringPath, folder } = request;
  const sink = new MemorySink();
  await download(`${archive.uri}/dists/${archive.suite}/InRelease`, { atMost: limitBytes }, sink, options);
  const names = [join(folder, "InRelease"), join(folder, "Release")] as const;
  for (const name of names) sweepBeside(name);
  const [path, outputPath] = [scratchBeside(names[0]), scratchBeside(names[1])];
  try {
    await writeFile(path, sink.content(), { mode: 0o600 });
    await verifyClearSigned({ path, outputPath, keyringPath }, options.signal);
    return parseRelease(await readFile(outputPath, "utf8"), archive, Date.now());
  } finally {
    await rm(path, { force: true });
    await rm(outputPath, { force: true });
  }
}
