import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import { ensurePrivateFolder, syncFolder } from "../host/files.ts";
import { scratchBeside, sweepBeside } from "../storage/scratch.ts";
import { type DownloadOptions, download, type ExpectedFile } from "./download.ts";
import { FileSink } from "./sinks.ts";

/**
 * The file at `url` under `path`, exactly as a signed list says. Post-condition: `path` holds it, whole, also after power
 * loss; or it is not there. Idempotent: what is there and right is not fetched again; what is there and wrong is.
 * Throws `download-failed`, `verification-failed`, `interrupted`, and system errors (ENOSPC).
 */
export async function fetchVerified(
  url: string,
  expected: ExpectedFile,
  path: string,
  options: DownloadOptions = {},
): Promise<void> {
  if (await isAsExpected(path, expected)) return;
  ensurePrivateFolder(dirname(path));
  sweepBeside(path);
  await rm(path, { force: true });
  const scratch = scratchBeside(path);
  try {
    await downloadTo(scratch, url, expected, options);
    await rename(scratch, path);
    syncFolder(dirname(path));
  } catch (error) {
    await rm(scratch, { force: true });
    throw error;
  }
}

async function downloadTo(
  scratch: string,
  url: string,
  expected: ExpectedFile,
  options: DownloadOptions,
): Promise<void> {
  await using file = await open(scratch, "wx", 0o600);
  const sink = new FileSink(file);
  await download(url, { exactly: expected.sizeBytes }, sink, options);
  if (sink.digest() !== expected.sha256) {
    throw new EmberError("verification-failed", `'${url}' is not what the archive's signed list says`, {
      hint: "the mirror may be in the middle of an update: try again in a few minutes, or use another mirror",
    });
  }
  await file.sync();
}

async function isAsExpected(path: string, expected: ExpectedFile): Promise<boolean> {
  try {
    if ((await stat(path)).size !== expected.sizeBytes) return false;
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 ** 2 })) hash.update(chunk);
    return hash.digest("hex") === expected.sha256;
  } catch {
    return false; // not there, or not readable: it is fetched, and a failure then says why
  }
}
