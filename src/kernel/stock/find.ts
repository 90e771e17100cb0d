import { EmberError } from "../../errors/ember-error.ts";
import type { GuestArchitecture } from "../../guest/binary/architecture.ts";
import type { DownloadOptions } from "../download.ts";
import { listBucket } from "./bucket.ts";

/** A kernel that Firecracker's continuous integration has built and tests with. */
export interface StockKernel {
  /** "firecracker-ci/20260130-0a1b2c3d/x86_64/vmlinux-6.1.159". */
  readonly key: string;
  readonly sizeBytes: number;
}

const line = "6.1";
const machines: Readonly<Record<GuestArchitecture, string>> = { amd64: "x86_64", arm64: "aarch64" };
const root = "firecracker-ci/";
/** Builds by date; beside them lie those of old releases ("v1.11/"), which get no new kernels. */
const buildForm = /^firecracker-ci\/[0-9]{8}-[A-Za-z0-9][A-Za-z0-9._-]{0,63}\/$/;
/** A build without a kernel of the line is rare; many in a row mean that there will be none. */
const buildsTried = 20;

/**
 * The newest kernel of the line: of the newest build that has one, the highest version. Names that are not exactly as they
 * should be are passed over. Throws `kernel-not-found` and what `listBucket` throws.
 */
export async function findStockKernel(
  bucket: string,
  arch: GuestArchitecture,
  options: DownloadOptions,
): Promise<StockKernel> {
  const { prefixes } = await listBucket(bucket, root, options);
  const builds = prefixes.filter((prefix) => buildForm.test(prefix)).sort();
  for (const build of builds.reverse().slice(0, buildsTried)) {
    const stem = `${build}${machines[arch]}/vmlinux-${line}.`;
    const { objects } = await listBucket(bucket, stem, options);
    const newest = objects
      .filter(({ key }) => key.startsWith(stem) && /^[0-9]{1,5}$/.test(key.slice(stem.length)))
      .sort((left, right) => Number(right.key.slice(stem.length)) - Number(left.key.slice(stem.length)))[0];
    if (newest !== undefined) return newest;
  }
  throw new EmberError("kernel-not-found", `'${bucket}' has no kernel ${line} for ${machines[arch]}`, {
    hint: "use Debian's kernel: ember kernel pull debian",
  });
}
