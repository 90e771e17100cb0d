import { open } from "node:fs/promises";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { hostArchitecture } from "../../guest/binary/architecture.ts";
import { openCompressed } from "../../image/tar/compressed.ts";
import { TarReader } from "../../image/tar/reader.ts";
import type { TaskOptions } from "../../types.ts";
import { packageContent } from "../deb/extract.ts";
import { chooseDependency, fetchPackage, type PackageRequest } from "../debian/kernel-package.ts";
import { refuseAborted } from "../unpack-bytes.ts";
import { type KernelSource, sourceLimitBytes, tarballIn } from "./source.ts";

export type DebianPlaces = Pick<PackageRequest, "archives" | "keyringPath" | "limits">;

const sourcePath = /^(?:\.\/)*usr\/src\/linux-source-[0-9.]+\.tar\.(?:xz|gz|zst)$/;

/**
 * Debian's newest source of the kernel, with its patches: fetched, checked up to the archive's signature, and its archive taken
 * out into `workplace`. Throws `download-failed`, `verification-failed`, `kernel-not-found`, `kernel-invalid`, `interrupted`.
 */
export async function debianSource(
  cacheDir: string,
  workplace: string,
  from: DebianPlaces,
  task: TaskOptions,
): Promise<KernelSource> {
  const deb = await fetchPackage(
    { ...from, arch: hostArchitecture(), folder: join(cacheDir, "debian") },
    {
      isWanted: (name) => /^linux-source(-[0-9.]+)?$/.test(name),
      choose: (candidates) =>
        chooseDependency(candidates, "linux-source", /(linux-source-[0-9.]+)(?: \(= ([^)]+)\))?/),
    },
    task,
  );
  task.onProgress?.({ step: "taking the source out of its package" });
  const tarball = tarballIn(workplace);
  await extractTarball(deb.path, tarball, task.signal);
  return { tarball, sha256: deb.sha256, description: deb.source };
}

async function extractTarball(debPath: string, path: string, signal: AbortSignal | undefined): Promise<void> {
  const { content } = await openCompressed(await packageContent(debPath), { signal });
  const reader = new TarReader(content);
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      refuseAborted(signal);
      if (entry.kind !== "file" || !sourcePath.test(entry.path)) continue;
      if (entry.sizeBytes > sourceLimitBytes) break;
      await using file = await open(path, "wx", 0o600);
      await reader.readBody(async (offset, chunk) => {
        refuseAborted(signal);
        for (let done = 0; done < chunk.length; )
          done += (await file.write(chunk, done, chunk.length - done, offset + done)).bytesWritten;
      });
      return;
    }
  } finally {
    await reader.close();
  }
  throw new EmberError("kernel-invalid", `there is no kernel's source in the package '${debPath}'`);
}
