import { createReadStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { openCompressed } from "../../image/tar/compressed.ts";
import type { TarEntry } from "../../image/tar/entry.ts";
import { TarReader } from "../../image/tar/reader.ts";
import { refuseAborted } from "../unpack-bytes.ts";
import { readArMembers } from "./ar.ts";

/** What a kernel's package is taken apart into; the files are as the package holds them. */
export interface KernelPackage {
  /** "6.1.0-56-cloud-amd64". */
  readonly version: string;
  readonly kernel: Buffer;
  readonly config: Buffer | undefined;
  /** The kernel's own list of what is compiled into it; "" when the package has none. */
  readonly builtinList: string;
}

const kernelLimitBytes = 512 * 1024 ** 2;
const moduleLimitBytes = 256 * 1024 ** 2;
const listLimitBytes = 16 * 1024 ** 2;

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
  const { content } = await openCompressed(await packageContent(debPath), { signal });
  const reader = new TarReader(content);
  const found: { version?: string; kernel?: Buffer; config?: Buffer; builtinList?: string } = {};
  try {
    for (let entry = await reader.next(); entry !== undefined; entry = await reader.next()) {
      refuseAborted(signal);
      if (entry.kind !== "file") continue;
      const path = entry.path.replace(/^(?:\.\/)+/, "");
      const module = modulePath.exec(path)?.[1];
      const version = kernelPath.exec(path)?.[1];
      if (module !== undefined) {
        const bytes = await readWhole(reader, entry, moduleLimitBytes);
        await writeFile(join(modulesFolder, module), bytes, { mode: 0o600 });
      } else if (version !== undefined) {
        found.version = version;
        found.kernel = await readWhole(reader, entry, kernelLimitBytes);
      } else if (configPath.test(path)) {
        found.config = await readWhole(reader, entry, listLimitBytes);
      } else if (builtinPath.test(path)) {
        found.builtinList = (await readWhole(reader, entry, listLimitBytes)).toString("utf8");
      }
    }
  } finally {
    await reader.close();
  }
  const { version, kernel, config, builtinList = "" } = found;
  if (kernel === undefined || version === undefined) {
    throw new EmberError("kernel-invalid", `there is no kernel in the package '${debPath}'`);
  }
  return { version, kernel, config, builtinList };
}

/** The package's files, as a stream: the member "data.tar", whatever it is compressed with. */
export async function packageContent(debPath: string): Promise<AsyncIterable<Buffer>> {
  const member = (await readArMembers(debPath)).find(({ name }) => /^data\.tar(\.(gz|xz|zst))?$/.test(name));
  if (member === undefined || member.size === 0) {
    throw new EmberError("image-invalid", `the package '${debPath}' has no content that can be read`);
  }
  const { offset, size } = member;
  return createReadStream(debPath, { start: offset, end: offset + size - 1, highWaterMark: 1024 ** 2 });
}

async function readWhole(reader: TarReader, entry: TarEntry, limitBytes: number): Promise<Buffer> {
  if (entry.sizeBytes > limitBytes) {
    throw new EmberError("image-invalid", `'${entry.path}' of the package is larger than it can be`);
  }
  const whole = Buffer.alloc(entry.sizeBytes);
  await reader.readBody((offset, chunk) => {
    chunk.copy(whole, offset);
  });
  return whole;
}
