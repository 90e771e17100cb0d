import { createHash } from "node:crypto";
import { existsSync, renameSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import type { KernelArchive } from "../guest/initrd/base.ts";
import { ensurePrivateFolder, syncFolder } from "../host/files.ts";
import type { RecognisedKernel } from "./format/kernel-format.ts";
import { checkKernelName } from "./names.ts";
import { fileNames, type Kernel, type KernelRecord, recipe, recordJson, rootFileName } from "./record.ts";
import type { NewRootDriver } from "./roots.ts";
import { discard, getKernel, type KernelPlaces, scratchFolder } from "./store.ts";

export interface NewKernel {
  readonly name: string;
  readonly kernel: RecognisedKernel;
  readonly archive: { readonly kind: KernelArchive["kind"]; readonly content: Buffer } | undefined;
  /** What it can mount as root besides ext4; undefined when nobody knows. */
  readonly roots: readonly NewRootDriver[] | undefined;
  readonly config: Buffer | undefined;
  readonly source: string;
  readonly sourceSha256: string;
}

/**
 * Puts a kernel among the others. Post-condition: it is there in full, also after power loss; or nothing has changed. It is
 * built beside its place and moved there in one step; guests that run do not need the files of the one that it replaces.
 * Throws `kernel-exists` unless `replace`, `invalid-name`, and system errors (ENOSPC).
 */
export async function installKernel(
  places: KernelPlaces,
  made: NewKernel,
  options: { readonly replace: boolean },
): Promise<Kernel> {
  const final = join(places.kernelsDir, checkKernelName(made.name));
  if (!options.replace) refuseTaken(final, made.name);
  ensurePrivateFolder(places.kernelsDir);
  const scratch = scratchFolder(places, "new", made.name);
  await mkdir(scratch, { mode: 0o700 });
  try {
    await writeFiles(scratch, made);
    if (!options.replace) refuseTaken(final, made.name);
    await moveInto(places, made.name, scratch, final);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
  return getKernel(places, made.name);
}

export function refuseTaken(folder: string, name: string): void {
  if (!existsSync(folder)) return;
  throw new EmberError("kernel-exists", `there is a kernel '${name}' already`, {
    hint: `choose another name with --name, or remove it first: ember kernel delete ${name}`,
  });
}

async function moveInto(places: KernelPlaces, name: string, scratch: string, final: string): Promise<void> {
  if (!existsSync(final)) {
    await rename(scratch, final);
    return syncFolder(places.kernelsDir);
  }
  const displaced = scratchFolder(places, "drop", name);
  renameSync(final, displaced);
  try {
    renameSync(scratch, final); // straight after, so that the kernel is missing for no longer than it must
  } catch (error) {
    renameSync(displaced, final);
    throw error;
  }
  syncFolder(places.kernelsDir);
  await discard(places, name, displaced);
}

async function writeFiles(folder: string, made: NewKernel): Promise<void> {
  const { kernel, original } = made.kernel;
  const files: [name: string, content: Buffer | undefined][] = [
    [fileNames.kernel, kernel],
    [fileNames.original, original],
    [fileNames.config, made.config],
    [fileNames[made.archive?.kind ?? "modules"], made.archive?.content],
    ...(made.roots ?? []).map(({ fileSystem, archive }): [string, Buffer | undefined] => [
      rootFileName(fileSystem),
      archive,
    ]),
  ];
  let sizeBytes = 0;
  for (const [name, content] of files) {
    if (content === undefined) continue;
    await writeDurably(join(folder, name), content);
    sizeBytes += content.length;
  }
  await writeDurably(join(folder, fileNames.record), Buffer.from(recordJson(recordOf(made, sizeBytes))));
  syncFolder(folder);
}

function recordOf(made: NewKernel, sizeBytes: number): KernelRecord {
  const { version, arch, format, bootable, original } = made.kernel;
  return {
    recipe,
    version,
    arch,
    format,
    bootable: [...bootable],
    source: made.source,
    sourceSha256: made.sourceSha256,
    createdAt: new Date().toISOString(),
    sizeBytes,
    hasOriginal: original !== undefined,
    archive:
      made.archive === undefined
        ? null
        : {
            kind: made.archive.kind,
            sha256: digestOf(made.archive.content),
          },
    roots: made.roots?.map(({ fileSystem, archive }) => ({
      fileSystem,
      sha256: archive === undefined ? null : digestOf(archive),
    })),
  };
}

const digestOf = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

/** Readable by all, in folders that others cannot enter: so a jail of another user may hold a link to it. */
async function writeDurably(path: string, content: Buffer): Promise<void> {
  await using file = await open(path, "wx", 0o644);
  await file.writeFile(content);
  await file.sync();
}
