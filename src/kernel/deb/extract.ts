import { createReadStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { EmberError } from "../../errors/ember-error.ts";
import { type Compression, decompress } from "../../host/decompress.ts";
import { readArMembers } from "./ar.ts";
import { readTar } from "./tar.ts";

/** What a kernel's package is taken apart into; the files are as the package holds them. */
export interface KernelPackage {
  /** "6.1.0-56-cloud-amd64". */
  readonly version: string;
  readonly kernel: Buffer;
  readonly config: Buffer | undefined;
  /** Folder with all modules, flat. */
  readonly modulesFolder: string;
  readonly builtinList: string;
}

const kernelLimitBytes = 512 * 1024 ** 2;
const moduleLimitBytes = 256 * 1024 ** 2;
const listLimitBytes = 16 * 1024 ** 2;
/** Debian's largest kernel package unpacks to some 700 MB. */
const packageLimitBytes = 4 * 1024 ** 3;

const kernelPath = /^boot\/vmlinuz-([0-9][A-Za-z0-9.+~-]{0,100})$/;
const configPath = /^boot\/config-[^/]+$/;
const builtinPath = /^(?:usr\/)?lib\/modules\/[^/]+\/modules\.builtin$/;
const modulePath =
  /^(?:usr\/)?lib\/modules\/[^/]+\/(?:[^/]+\/)*([A-Za-z0-9_-]{1,100}\.ko(?:\.(?:xz|zst|gz))?)$/;

/**
 * Takes kernel, configuration and modules out of a .deb. Only names that match the patterns above become files, all of
 * them directly in `modulesFolder`. Throws `image-invalid`, `kernel-invalid` when there is no kernel in it, `interrupted`.
 */
export async function extractKernel(
  debPath: string,
  modulesFolder: string,
  signal?: AbortSignal,
): Promise<KernelPackage> {
  await mkdir(modulesFolder, { recursive: true, mode: 0o700 });
  let version: string | undefined;
  let kernel: Buffer | undefined;
  let config: Buffer | undefined;
  let builtinList = "";
  for await (const file of readTar(await openData(debPath, signal), packageLimitBytes)) {
    const module = modulePath.exec(file.path)?.[1];
    const kernelVersion = kernelPath.exec(file.path)?.[1];
    if (module !== undefined) {
      await writeFile(join(modulesFolder, module), await file.read(moduleLimitBytes), { mode: 0o600 });
    } else if (kernelVersion !== undefined) {
      version = kernelVersion;
      kernel = await file.read(kernelLimitBytes);
    } else if (configPath.test(file.path)) {
      config = await file.read(listLimitBytes);
    } else if (builtinPath.test(file.path)) {
      builtinList = (await file.read(listLimitBytes)).toString("utf8");
    }
  }
  if (kernel === undefined || version === undefined) {
    throw new EmberError("kernel-invalid", `there is no kernel in the package '${debPath}'`);
  }
  return { version, kernel, config, modulesFolder, builtinList };
}

const compressions: Readonly<Record<string, Compression>> = {
  "data.tar": "none",
  "data.tar.gz": "gzip",
  "data.tar.xz": "xz",
  "data.tar.zst": "zstd",
};

async function openData(debPath: string, signal: AbortSignal | undefined): Promise<Readable> {
  const member = (await readArMembers(debPath)).find(({ name }) => name.startsWith("data.tar"));
  const compression = compressions[member?.name ?? ""];
  if (member === undefined || compression === undefined) {
    throw new EmberError("image-invalid", `the package '${debPath}' has no content that can be read`);
  }
  if (member.size === 0) throw new EmberError("image-invalid", `the package '${debPath}' is empty`);
  const { offset, size } = member;
  const content = createReadStream(debPath, {
    start: offset,
    end: offset + size - 1,
    highWaterMark: 1024 ** 2,
  });
  return decompress(content, compression, { signal });
}
