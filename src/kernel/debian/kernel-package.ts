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

export interface PackageRequest {
  /** Whose list of packages is read. */
  readonly arch: GuestArchitecture;
  /** Where downloads are kept; made when it is missing. */
  readonly folder: string;
  /** Default: the host's own mirrors, and the keys that Debian signs with. */
  readonly archives?: readonly Archive[] | undefined;
  readonly keyringPath?: string | undefined;
  readonly limits?: DownloadLimits | undefined;
}

/** Which package is fetched. */
export interface PackageChoice {
  /** Names that are looked at. */
  readonly isWanted: (name: string) => boolean;
  /** Throws `kernel-not-found`. */
  readonly choose: (candidates: readonly Candidate[]) => Candidate;
}

export interface FetchedPackage {
  /** The .deb, checked up to the archive's signature. */
  readonly path: string;
  readonly sha256: string;
  /** Where it is from, for people: "linux-image-6.1.0-56-cloud-amd64 6.1.192-2 (http://deb.debian.org/debian bookworm)". */
  readonly source: string;
}

export interface Candidate {
  readonly entry: PackageEntry;
  readonly archive: Archive;
}

/**
 * Fetches the newest cloud kernel of the archives. Idempotent; what was fetched before is checked again and used.
 * Throws `download-failed`, `verification-failed`, `kernel-not-found`, `tool-missing`, `interrupted`.
 */
export async function fetchKernelPackage(
  request: PackageRequest,
  task: TaskOptions = {},
): Promise<FetchedPackage> {
  const { arch } = request;
  return await fetchPackage(
    request,
    {
      isWanted: (name) => name.startsWith("linux-image-") && name.endsWith(`cloud-${arch}`),
      choose: (candidates) => chooseKernel(candidates, arch),
    },
    task,
  );
}

/** Fetches the package that `choice` makes of the archives' lists. As `fetchKernelPackage`. */
export async function fetchPackage(
  request: PackageRequest,
  choice: PackageChoice,
  task: TaskOptions = {},
): Promise<FetchedPackage> {
  ensurePrivateFolder(request.folder);
  const candidates: Candidate[] = [];
  for (const archive of request.archives ?? hostArchives()) {
    task.onProgress?.({ step: `reading ${archive.suite} of ${archive.uri}` });
    const entries = await listPackages(archive, request, choice, task);
    candidates.push(...entries.map((entry) => ({ entry, archive })));
  }
  const { entry, archive } = choice.choose(candidates);
  const path = join(request.folder, `${entry.sha256}.deb`);
  const step = `downloading ${entry.name}`;
  await fetchVerified(`${archive.uri}/${entry.fileName}`, entry, path, {
    ...downloadOptions(request, task),
    onProgress: (done) => task.onProgress?.({ step, done, total: entry.sizeBytes }),
  });
  const source = `${entry.name} ${entry.version} (${archive.uri} ${archive.suite})`;
  return { path, sha256: entry.sha256, source };
}

function downloadOptions(request: PackageRequest, task: TaskOptions): DownloadOptions {
  return { limits: request.limits, signal: task.signal };
}

/** What an archive has of the wanted names. */
async function listPackages(
  archive: Archive,
  request: PackageRequest,
  choice: PackageChoice,
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
    return await readPackages(path, choice.isWanted, task.signal);
  }
  return [];
}

/** The package that the newest `linux-image-cloud-ARCH` depends on, which is the one with a kernel in it. */
export const chooseKernel = (candidates: readonly Candidate[], arch: GuestArchitecture): Candidate =>
  chooseDependency(
    candidates,
    `linux-image-cloud-${arch}`,
    new RegExp(`(linux-image-[0-9][a-z0-9.+-]*-cloud-${arch})(?: \\(= ([^)]+)\\))?`),
  );

/**
 * The newest `meta` stands for another package, which `dependency` finds in what it depends on: name, and version when
 * there is one. Throws `kernel-not-found`.
 */
export function chooseDependency(
  candidates: readonly Candidate[],
  meta: string,
  dependency: RegExp,
): Candidate {
  const newest = byVersion(candidates.filter(({ entry }) => entry.name === meta))[0];
  if (newest === undefined) throw notFound(meta, "use another mirror");
  const [, name, version] = dependency.exec(newest.entry.depends) ?? [];
  const real = byVersion(
    candidates.filter(
      ({ entry }) => entry.name === name && (version === undefined || entry.version === version),
    ),
  )[0];
  if (real === undefined) {
    throw notFound(
      name ?? `the kernel of ${meta}`,
      "the mirror may be in the middle of an update: try again",
    );
  }
  return real;
}

/** The newest first; of equals, that of the archive that was named first. */
const byVersion = (candidates: readonly Candidate[]): Candidate[] =>
  [...candidates].sort((left, right) => compareVersions(right.entry.version, left.entry.version));

function notFound(name: string, hint: string): EmberError {
  return new EmberError("kernel-not-found", `the mirror has no package '${name}'`, { hint });
}
