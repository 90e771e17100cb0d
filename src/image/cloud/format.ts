import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { EmberError } from "../../errors/ember-error.ts";
import type { BlockReader } from "../disk/block-reader.ts";
import { openQcow2 } from "../disk/qcow2-disk.ts";
import { headerBytes, parseHeader } from "../disk/qcow2-format.ts";
import { openRaw, readAt } from "../disk/raw-disk.ts";
import { shown } from "../reference.ts";
import { type Compression, detectCompression, openCompressed } from "../tar/compressed.ts";

/** How a file holds a disk; undefined for a file that holds none. `foreign`: in a way that is not read here. */
export type DiskFormat =
  | "qcow2"
  | "raw"
  | { readonly foreign: string }
  | { readonly compressed: Compression };

interface Mark {
  readonly at: number;
  readonly bytes: string;
  readonly format: DiskFormat;
}

const marks: readonly Mark[] = [
  { at: 0, bytes: "QFI\xfb", format: "qcow2" },
  { at: 0, bytes: "KDMV", format: { foreign: "VMDK" } },
  { at: 0, bytes: "# Disk DescriptorFile", format: { foreign: "VMDK" } },
  { at: 0, bytes: "conectix", format: { foreign: "VHD" } },
  { at: 0, bytes: "vhdxfile", format: { foreign: "VHDX" } },
  { at: 64, bytes: "\x7f\x10\xda\xbe", format: { foreign: "VDI" } },
  { at: 510, bytes: "\x55\xaa", format: "raw" }, // a partition table
  { at: 512, bytes: "EFI PART", format: "raw" },
  { at: 4096, bytes: "EFI PART", format: "raw" },
  { at: 1080, bytes: "\x53\xef", format: "raw" }, // ext4
  { at: 0, bytes: "XFSB", format: "raw" },
  { at: 0, bytes: "LUKS\xba\xbe", format: "raw" },
  { at: 65_600, bytes: "_BHRfS_M", format: "raw" }, // btrfs
  { at: 32_769, bytes: "CD001", format: "raw" },
];
const lookedAtBytes = 68_608;
/** Of the first entry of a tar archive, which may hold anything behind its header. */
const tarMark = { at: 257, bytes: "ustar" };

/** Told by what is in it, never by its name. */
export async function diskFormatOf(path: string, signal?: AbortSignal): Promise<DiskFormat | undefined> {
  const stored = await startOf(path);
  const compression = detectCompression(stored.subarray(0, 6));
  if (compression === "none") return formatOf(stored);
  const unpacked = await unpackedStart(path, signal);
  return formatOf(unpacked) === undefined ? undefined : { compressed: compression };
}

function formatOf(start: Buffer): DiskFormat | undefined {
  const holds = ({ at, bytes }: Pick<Mark, "at" | "bytes">): boolean =>
    start.toString("latin1", at, at + bytes.length) === bytes;
  return holds(tarMark) ? undefined : marks.find(holds)?.format;
}

async function startOf(path: string): Promise<Buffer> {
  await using file = await open(path, "r");
  return await readAt(file, 0, lookedAtBytes);
}

/** Empty where the file is damaged: whoever reads it as an archive says so. */
async function unpackedStart(path: string, signal: AbortSignal | undefined): Promise<Buffer> {
  const stream = createReadStream(path);
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of (await openCompressed(stream, { signal })).content) {
      parts.push(chunk);
      length += chunk.length;
      if (length >= lookedAtBytes) break;
    }
    return Buffer.concat(parts);
  } catch {
    return Buffer.alloc(0);
  } finally {
    stream.destroy();
  }
}

/**
 * The disk in a file of a stranger's. Unlike ember's own, it may lie on no other file: its name would be the stranger's choice.
 * Throws `unsupported` for formats that are not read here, `image-invalid` for a damaged file.
 */
export async function openForeignDisk(path: string, format: DiskFormat): Promise<BlockReader> {
  if (typeof format !== "string" && "compressed" in format) {
    throw new EmberError(
      "unsupported",
      `'${shown(path)}' is a disk that is compressed as a whole, with ${format.compressed}`,
      {
        hint: `decompress it first: ${format.compressed} -dk '${shown(path)}'`,
      },
    );
  }
  if (typeof format !== "string") {
    throw new EmberError("unsupported", `'${shown(path)}' is a disk in ${format.foreign} format`, {
      hint: `convert it first: qemu-img convert -O qcow2 '${shown(path)}' disk.qcow2`,
    });
  }
  if (format === "raw") return await openRaw(path);
  try {
    await refuseBacking(path);
    return await openQcow2(path);
  } catch (error) {
    if (!(error instanceof EmberError) || error.code !== "io-failed") throw error;
    throw new EmberError("image-invalid", error.message, {
      hint: "compare the file's checksum with the published one, and fetch it again",
      cause: error,
    });
  }
}

async function refuseBacking(path: string): Promise<void> {
  await using file = await open(path, "r");
  const { backing } = parseHeader(await readAt(file, 0, headerBytes), shown(path));
  if (backing === undefined) return;
  const name = shown(backing.name);
  throw new EmberError(
    "unsupported",
    `'${shown(path)}' holds only what differs from another file, '${name}'`,
    {
      hint: `make it whole first: qemu-img convert -O qcow2 '${shown(path)}' whole.qcow2`,
    },
  );
}
