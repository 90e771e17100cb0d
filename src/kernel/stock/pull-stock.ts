import { createHash } from "node:crypto";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import type { GuestArchitecture } from "../../guest/binary/architecture.ts";
import { type DownloadOptions, download } from "../download.ts";
import type { RecognisedKernel } from "../format/kernel-format.ts";
import { recogniseKernel } from "../format/recognise.ts";
import { installKernel } from "../install.ts";
import type { PullOptions } from "../presets.ts";
import { type KernelRecord, readRecord, recipe } from "../record.ts";
import { MemorySink } from "../sinks.ts";
import { getKernel, type Kernel, type KernelPlaces } from "../store.ts";
import { findStockKernel, type StockKernel } from "./find.ts";

const officialBucket = "https://s3.amazonaws.com/spec.ccfc.min";
/** They are 20 to 60 MB. */
const limitBytes = 256 * 1024 ** 2;

/**
 * The kernel that the Firecracker project tests with, everything built in. See `pullPreset`.
 * Nobody publishes checksums of these files. So the first download is trusted as far as HTTPS goes, and its checksum is
 * kept with the kernel: when the same file is pulled again and is another, that is `verification-failed`.
 */
export async function pullStock(
  places: KernelPlaces,
  name: string,
  arch: GuestArchitecture,
  options: PullOptions,
): Promise<Kernel> {
  const bucket = options.from?.stockBucket ?? officialBucket;
  const downloads: DownloadOptions = { limits: options.from?.limits, signal: options.signal };
  options.onProgress?.({ step: "looking for the newest stock kernel" });
  const found = await findStockKernel(bucket, arch, downloads);
  const source = `${bucket}/${found.key}`;
  const bytes = await fetchKernel(source, found, { ...downloads }, options);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const before = recordOf(join(places.kernelsDir, name));
  if (before?.source === source) {
    if (before.sourceSha256 !== sha256) throw changed(source, before.sourceSha256, sha256);
    if (before.recipe === recipe) return getKernel(places, name);
  }
  const kernel = await recognise(bytes, arch, source, options.signal);
  const unknown = { archive: undefined, roots: undefined, config: undefined };
  const made = { name, kernel, ...unknown, source, sourceSha256: sha256 };
  return await installKernel(places, made, { replace: true });
}

async function fetchKernel(
  url: string,
  found: StockKernel,
  downloads: DownloadOptions,
  { onProgress }: PullOptions,
): Promise<Buffer> {
  const { sizeBytes } = found;
  if (sizeBytes > limitBytes) {
    throw new EmberError(
      "verification-failed",
      `'${url}' is larger than a kernel can be: ${sizeBytes} bytes`,
    );
  }
  const sink = new MemorySink();
  const step = `downloading ${found.key.slice(found.key.lastIndexOf("/") + 1)}`;
  await download(url, { exactly: sizeBytes }, sink, {
    ...downloads,
    onProgress: (done) => onProgress?.({ step, done, total: sizeBytes }),
  });
  return sink.content();
}

/** Firecracker boots no other form; and one that has to be unpacked first is not what the project publishes. */
async function recognise(
  bytes: Buffer,
  arch: GuestArchitecture,
  source: string,
  signal: AbortSignal | undefined,
): Promise<RecognisedKernel> {
  const kernel = await recogniseKernel(bytes, signal);
  const wanted = arch === "amd64" ? "vmlinux" : "Image";
  if (kernel.arch === arch && kernel.format === wanted && kernel.original === undefined) return kernel;
  throw new EmberError(
    "kernel-invalid",
    `'${source}' is not an uncompressed kernel for ${arch}: it is a ${kernel.format} for ${kernel.arch}`,
    { hint: "use Debian's kernel: ember kernel pull debian" },
  );
}

function recordOf(folder: string): KernelRecord | undefined {
  try {
    return readRecord(folder);
  } catch (error) {
    if (error instanceof EmberError) return undefined; // damaged: it is made anew
    throw error;
  }
}

function changed(source: string, before: string, now: string): EmberError {
  return new EmberError(
    "verification-failed",
    `'${source}' has changed since it was first pulled: sha256 ${now}, then ${before}`,
    {
      hint: "the kernel that is there stays as it is; to trust the new file, remove it first: ember kernel delete stock",
    },
  );
}
