import { createReadStream } from "node:fs";
import { open, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { verifyDetached } from "../../host/gpgv.ts";
import { openCompressed } from "../../image/tar/compressed.ts";
import type { TaskOptions } from "../../types.ts";
import { type DownloadLimits, download } from "../download.ts";
import { FileSink, MemorySink } from "../sinks.ts";
import { binaryKeys } from "./keyring-file.ts";
import { type KernelSource, sourceLimitBytes, tarballIn, writeSource } from "./source.ts";

/** A tarball, and what it is verified by: one of the two at least. */
export interface TarballRequest {
  /** A file or an http(s) address: "https://cdn.kernel.org/pub/linux/kernel/v6.x/linux-6.12.tar.xz". */
  readonly from: string;
  /** Of the file as it is, compressed. */
  readonly sha256?: string | undefined;
  /** File with the publisher's public keys, armoured or not. */
  readonly keyring?: string | undefined;
  /** File or address of the signature over the unpacked archive. Default: beside it, as kernel.org has them: ".tar.sign". */
  readonly signature?: string | undefined;
  readonly limits?: DownloadLimits | undefined;
}

const isAddress = (text: string): boolean => /^https?:\/\//.test(text);
const signatureLimitBytes = 1024 ** 2;

/** Refuses what could not be verified before anything is fetched. Throws `usage`. */
export function checkTarballRequest({ from, sha256, keyring, signature }: TarballRequest): void {
  const usage = (message: string, hint: string): EmberError => new EmberError("usage", message, { hint });
  if (sha256 === undefined && keyring === undefined) {
    const hint =
      "give the publisher's keys with --keyring (the signature is looked for beside it), or its checksum with --sha256";
    throw usage(`nothing says that '${from}' is what its publisher made`, hint);
  }
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256))
    throw usage(
      "--sha256 is not 64 hexadecimal digits",
      "take it from a page that you trust, not from the mirror",
    );
  if (signature !== undefined && keyring === undefined)
    throw usage("a signature says nothing without keys", "give the publisher's public keys with --keyring");
}

/**
 * A source from a file or an address, verified. Nothing of it is used before that; of what is signed, only the decompressor sees
 * it. Throws `file-not-found`, `download-failed`, `verification-failed`, `image-invalid`, `interrupted`.
 */
export async function tarballSource(
  request: TarballRequest,
  workplace: string,
  task: TaskOptions,
): Promise<KernelSource> {
  const packed = await fetchTarball(request, join(workplace, "source.packed"), task);
  if (request.sha256 !== undefined && packed.sha256 !== request.sha256.toLowerCase()) {
    throw new EmberError("verification-failed", `the checksum of '${request.from}' is ${packed.sha256}`, {
      hint: "it is not the file that --sha256 is of: get it again, from its publisher",
    });
  }
  const { sha256 } = packed;
  if (request.keyring === undefined) return { tarball: packed.path, sha256, description: request.from };
  const tarball = tarballIn(workplace);
  task.onProgress?.({ step: "checking the signature" });
  const { content } = await openCompressed(createReadStream(packed.path), { signal: task.signal });
  await writeSource(content, tarball, task.signal);
  const signaturePath = join(workplace, "source.sign");
  await writeFile(signaturePath, await readSignature(request, task), { mode: 0o600 });
  const keyringPath = join(workplace, "keys.gpg");
  await writeFile(keyringPath, binaryKeys(await readNamed(request.keyring), request.keyring), {
    mode: 0o600,
  });
  await verifyDetached({ path: tarball, signaturePath, keyringPath }, task.signal);
  return { tarball, sha256, description: request.from };
}

/** The file to read and its checksum: of what is on this host, itself. */
async function fetchTarball(
  { from, limits }: TarballRequest,
  path: string,
  { signal, onProgress }: TaskOptions,
): Promise<{ readonly path: string; readonly sha256: string }> {
  // A copy also of a file: what is checked is then what is unpacked, whoever writes to the file meanwhile.
  await using file = await open(path, "wx", 0o600);
  const sink = new FileSink(file);
  if (isAddress(from)) {
    await download(from, { atMost: sourceLimitBytes }, sink, {
      limits,
      signal,
      onProgress: (done) => onProgress?.({ step: "downloading the source", done, unit: "bytes" }),
    });
  } else {
    await checkRegular(from);
    onProgress?.({ step: "reading the source" });
    for await (const chunk of createReadStream(from, { highWaterMark: 1024 ** 2, ...(signal && { signal }) }))
      await sink.write(chunk);
  }
  return { path, sha256: sink.digest() };
}

async function readSignature(request: TarballRequest, { signal }: TaskOptions): Promise<Buffer> {
  const from = request.signature ?? `${request.from.replace(/\.(xz|gz|zst|bz2)$/, "")}.sign`;
  if (!isAddress(from)) return await readNamed(from);
  const sink = new MemorySink();
  await download(from, { atMost: signatureLimitBytes }, sink, { limits: request.limits, signal });
  return sink.content();
}

async function readNamed(path: string): Promise<Buffer> {
  await checkRegular(path, signatureLimitBytes * 64);
  return await readFile(path);
}

async function checkRegular(path: string, limitBytes = sourceLimitBytes): Promise<void> {
  try {
    const facts = await stat(path);
    if (facts.isFile() && facts.size <= limitBytes) return;
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    throw new EmberError("file-not-found", `there is no file '${path}'`, { cause: error });
  }
  throw new EmberError("usage", `'${path}' is not a file of a size that is allowed`);
}
