import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { EmberError, errnoCode } from "../errors/ember-error.ts";
import { type GuestArchitecture, hostArchitecture } from "../guest/binary/architecture.ts";
import { looksLike } from "./format/looks-like.ts";
import { recogniseKernel } from "./format/recognise.ts";
import { kernelLimitBytes } from "./format/unpack.ts";
import { installKernel, refuseTaken } from "./install.ts";
import { checkKernelName, nameFromFile } from "./names.ts";
import type { Kernel, KernelPlaces } from "./store.ts";

export interface ImportKernelOptions {
  /** Default: the file's name, in the form that names have. */
  readonly name?: string | undefined;
  /** A cpio archive, compressed or not, that goes into the initrd of the kernel's guests: its modules. */
  readonly initrd?: string | undefined;
  /** Default: the host's. */
  readonly arch?: GuestArchitecture | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes in a copy of a kernel file. Post-condition: the kernel is there, or nothing has changed. Throws `kernel-invalid`
 * (saying what the file looks like), `kernel-exists`, `file-not-found`, `invalid-name`, `disk-full`.
 */
export async function importKernel(
  places: KernelPlaces,
  file: string,
  options: ImportKernelOptions = {},
): Promise<Kernel> {
  const name = options.name === undefined ? nameFromFile(file) : checkKernelName(options.name);
  refuseTaken(join(places.kernelsDir, name), name);
  const bytes = await readRegularFile(file);
  const kernel = await recogniseKernel(bytes, options.signal);
  const arch = options.arch ?? hostArchitecture();
  if (kernel.arch !== arch) {
    throw new EmberError(
      "kernel-invalid",
      `'${file}' is a kernel for ${kernel.arch}, and guests here are ${arch}`,
      {
        hint: "give a kernel for this host's architecture",
      },
    );
  }
  const content = options.initrd === undefined ? undefined : await readInitrd(options.initrd);
  return await installKernel(
    places,
    {
      name,
      kernel,
      archive: content === undefined ? undefined : { kind: "foreign", content },
      roots: undefined,
      config: undefined,
      source: file,
      sourceSha256: createHash("sha256").update(bytes).digest("hex"),
    },
    { replace: false },
  );
}

/** How archives begin that the kernel can unpack: plain, and the compressions that it may know. */
const initrdBeginnings = [
  "070701",
  "070702",
  "\x1f\x8b",
  "\xfd7zXZ\0",
  "\x28\xb5\x2f\xfd",
  "\x02\x21\x4c\x18",
  "BZh",
  "\x5d\0\0",
  "\x89LZO",
];

async function readInitrd(path: string): Promise<Buffer> {
  const bytes = await readRegularFile(path);
  const head = bytes.toString("latin1", 0, 8);
  if (initrdBeginnings.some((beginning) => head.startsWith(beginning))) return bytes;
  throw new EmberError("kernel-invalid", `'${path}' is not an initrd: it ${looksLike(bytes)}`, {
    hint: "give a cpio archive of the form 'newc', compressed or not",
  });
}

async function readRegularFile(path: string): Promise<Buffer> {
  try {
    await using file = await open(path, "r");
    const facts = await file.stat();
    if (!facts.isFile()) throw notUsable(path, "is not a regular file");
    if (facts.size > kernelLimitBytes) throw notUsable(path, "is larger than a kernel can be");
    return await file.readFile();
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    throw new EmberError("file-not-found", `there is no file '${path}'`, { cause: error });
  }
}

function notUsable(path: string, detail: string): EmberError {
  return new EmberError("kernel-invalid", `'${path}' ${detail}`, { hint: "give the kernel's file itself" });
}
