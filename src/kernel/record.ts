import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { EmberError, errnoCode } from "../errors/ember-error.ts";
import type { GuestArchitecture } from "../guest/binary/architecture.ts";
import type { KernelArchive } from "../guest/initrd/base.ts";
import { otherRoots } from "../types/root.ts";
import type { BootMethod, KernelFormat } from "./format/kernel-format.ts";
import type { RootDriver } from "./roots.ts";

/** A kernel that guests can boot: one folder of files that never change. */
export interface Kernel {
  readonly name: string;
  /** "6.1.0-56-cloud-amd64"; "unknown" for a kernel that does not say. */
  readonly version: string;
  readonly arch: GuestArchitecture;
  /** Of the file that it came as. */
  readonly format: KernelFormat;
  readonly bootable: readonly BootMethod[];
  /** Where it is from, for people: a package and its mirror, or a file. */
  readonly source: string;
  /** Of the package or file that it was made from. */
  readonly sourceSha256: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** Of all its files. */
  readonly sizeBytes: number;
  /** What the hypervisor is given. */
  readonly bootPath: string;
  /** The bzImage, when `bootPath` was unpacked from one. */
  readonly originalPath: string | undefined;
  /** Goes into the initrd of its guests. */
  readonly archive: KernelArchive | undefined;
  /** What it can mount as root besides ext4; undefined when nobody knows. */
  readonly roots: readonly RootDriver[] | undefined;
}

/** The content of kernel.json. */
export interface KernelRecord
  extends Omit<Kernel, "name" | "bootPath" | "originalPath" | "archive" | "roots"> {
  readonly recipe: number;
  readonly hasOriginal: boolean;
  readonly archive: Omit<KernelArchive, "path"> | null;
  /** With the digest of the driver's archive, null for one that is built in. */
  readonly roots?:
    | readonly (Pick<RootDriver, "fileSystem"> & { readonly sha256: string | null })[]
    | undefined;
}

/** What kernels are made of; a kernel of another recipe is made anew when it is pulled again. */
export const recipe = 2;

/** The first one that looked for other roots than ext4. */
const recipeWithRoots = 2;

export const fileNames = {
  record: "kernel.json",
  kernel: "kernel",
  original: "vmlinuz",
  /** Made of `kernel` when a hypervisor needs it (format/boot-file.ts); not part of the record. */
  unpacked: "vmlinux",
  config: "config",
  modules: "modules.cpio",
  foreign: "initrd",
} as const;

/** The archive with a file system's driver. */
export const rootFileName = (fileSystem: RootDriver["fileSystem"]): string => `modules-${fileSystem}.cpio`;

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const schema: v.GenericSchema<unknown, KernelRecord> = v.object({
  recipe: v.pipe(v.number(), v.integer()),
  version: v.pipe(v.string(), v.regex(/^[A-Za-z0-9.+_~-]{1,120}$/)),
  arch: v.picklist(["amd64", "arm64"]),
  format: v.picklist(["bzImage", "vmlinux", "Image"]),
  bootable: v.array(v.picklist(["bzimage", "pvh", "elf", "image"])),
  source: v.string(),
  sourceSha256: sha256,
  createdAt: v.pipe(v.string(), v.isoTimestamp()),
  sizeBytes: v.pipe(v.number(), v.integer(), v.minValue(1)),
  hasOriginal: v.boolean(),
  archive: v.nullable(v.object({ kind: v.picklist(["modules", "foreign"]), sha256 })),
  roots: v.optional(v.array(v.object({ fileSystem: v.picklist(otherRoots), sha256: v.nullable(sha256) }))),
});

export const recordJson = (record: KernelRecord): string => `${JSON.stringify(record, undefined, 2)}\n`;

/** The record in a kernel's folder, undefined when there is no such folder. Throws `kernel-invalid` for a broken one. */
export function readRecord(folder: string): KernelRecord | undefined {
  let text: string;
  try {
    text = readFileSync(join(folder, fileNames.record), "utf8");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
  if (parsed.success) return parsed.output;
  throw new EmberError("kernel-invalid", `'${join(folder, fileNames.record)}' is damaged`, {
    hint: "delete the kernel with 'ember kernel delete', then pull or import it again",
  });
}

/** The kernel that a record describes. */
export function toKernel(name: string, folder: string, record: KernelRecord): Kernel {
  const { recipe: _recipe, hasOriginal, archive, roots: _roots, ...facts } = record;
  return {
    ...facts,
    name,
    bootPath: join(folder, fileNames.kernel),
    originalPath: hasOriginal ? join(folder, fileNames.original) : undefined,
    archive: archive === null ? undefined : { ...archive, path: join(folder, fileNames[archive.kind]) },
    roots: rootsOf(folder, record),
  };
}

function rootsOf(folder: string, { recipe, archive, roots }: KernelRecord): Kernel["roots"] {
  // The modules that it brings were chosen when ember knew of no other root.
  if (roots === undefined && recipe < recipeWithRoots && archive?.kind === "modules") return [];
  return roots?.map(({ fileSystem, sha256 }) => ({
    fileSystem,
    archive:
      sha256 === null ? undefined : { kind: "modules", sha256, path: join(folder, rootFileName(fileSystem)) },
  }));
}
