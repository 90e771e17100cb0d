import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import type { GuestArchitecture } from "../../guest/binary/architecture.ts";
import { ensurePrivateFolder } from "../../host/files.ts";
import type { TaskOptions } from "../../types.ts";
import type { DownloadLimits, DownloadOptions } from "../download.ts";
import { fetchVerified } from "../verified-file.ts";
import { type Archive, hostArchives } from "./archives.ts";
import { archiveKeyring } from "./keyring.ts";
import { type PackageEntry, readPackages } from "./packages.ts";
import { fetchRelease } from "./signed-release.ts";
import { compareVersions } from "./version-order.ts";

export interface KernelPackageRequest {
  readonly arch: GuestArchitecture;
  /** Where downloads are kept; made when it is missing. */
  readonly folder: string;
  /** Default: the host's own mirrors, and the keys that Debian signs with. */
  readonly archives?: readonly Archive[] | undefined;
  readonly keyringPath?: string | undefined;
  readonly limits?: DownloadLimits | undefined;
}

export interface FetchedPackage {
  /** The .deb, checked up to the archive's signature. */
  readonly path: string;
  readonly sha256: string;
  /** Where it is from, for people: "linux-image-6.1.0-56-cloud-amd64 6.1.192-2 (http://deb.debian.org/debian bookworm)". */
  readonly source: string;
}

interface Candidate {
  readonly entry: PackageEntry;
  readonly archive: Archive;
}

/**
 * Fetches the newest cloud kernel of the archives. Idempotent; what was fetched before is checked again and used.
 * Throws `download-failed`, `verification-failed`, `kernel-not-found`, `tool-missing`, `interrupted`.
 */
export async function fetchKernelPackage(
  request: KernelPackageRequest,
  task: TaskOptions = {},
): Promise<FetchedPackage> {
  ensurePrivateFolder(request.folder);
  const candidates: Candidate[] = [];
  for (const archive of request.archives ?? hostArchives()) {
    task.onProgress?.({ step: `reading ${archive.suite} of ${archive.uri}` });
    const entries = await listKernels(archive, request, task);
    candidates.push(...entries.map((entry) => ({ entry, archive })));
  }
  const { entry, archive } = chooseKernel(candidates, request.arch);
  const path = join(request.folder, `${entry.sha256}.deb`);
  const step = `downloading ${entry.name}`;
  await fetchVerified(`${archive.uri}/${entry.fileName}`, entry, path, {
    ...downloadOptions(request, task),
    onProgress: (done) => task.onProgress?.({ step, done, total: entry.sizeBytes }),
  });
  const source = `${entry.name} ${entry.version} (${archive.uri} ${archive.suite})`;
  return { path, sha256: entry.sha256, source };
}

function downloadOptions(request: KernelPackageRequest, task: TaskOptions): DownloadOptions {
  return { limits: request.limits, signal: task.signal };
}

/** All kernels for clouds that an archive has, and the package that stands for the newest. */
async function listKernels(
  archive: Archive,
  request: KernelPackageRequest,
  task: TaskOptions,
): Promise<readonly PackageEntry[]> {
  const options = downloadOptions(request, task);
  const keyringPath = request.keyringPath ?? archiveKeyring(request.folder);
  const release = await fetchRelease({ archive, keyringPath, folder: request.folder }, options);
  for (const extension of ["xz", "gz"]) {
    const name = `main/binary-${request.arch}/Packages.${extension}`;
    const expected = release.find(name);
    if (expected === undefined) continue;
    const path = join(request.folder, `${expected.sha256}.packages`);
    await fetchVerified(`${archive.uri}/dists/${archive.suite}/${name}`, expected, path, {
      ...options,
      onProgress: (done) =>
        task.onProgress?.({ step: "downloading the list of packages", done, total: expected.sizeBytes }),
    });
    const isWanted = (candidate: string): boolean =>
      candidate.startsWith("linux-image-") && candidate.endsWith(`cloud-${request.arch}`);
    return await readPackages(path, isWanted, task.signal);
  }
  return [];
}

/** The package that the newest `linux-image-cloud-ARCH` depends on, which is the one with a kernel in it. */
export function chooseKernel(candidates: readonly Candidate[], arch: GuestArchitecture): Candidate {
  const meta = `linux-image-cloud-${arch}`;
  const newest = candidates
    .filter(({ entry }) => entry.name === meta)
    .sort((left, right) => compareVersions(right.entry.version, left.entry.version))[0];
  if (newest === undefined) throw notFound(meta, "use another mirror");
  const dependency = new RegExp(`(linux-image-[0-9][a-z0-9.+-]*-cloud-${arch})(?: \\(= ([^)]+)\\))?`);
  const [, name, version] = dependency.exec(newest.entry.depends) ?? [];
  const real = candidates.find(
    ({ entry }) => entry.name === name && (version === undefined || entry.version === version),
  );
  if (real === undefined) {
    throw notFound(
      name ?? `the kernel of ${meta}`,
      "the mirror may be in the middle of an update: try again",
    );
  }
  return real;
}

function notFound(name: string, hint: string): EmberError {
  return new EmberError("kernel-not-found", `the mirror has no package '${name}'`, { hint });
}
