import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { writeFileAtomic } from "../../host/files.ts";
import { fileNames, type Kernel } from "../record.ts";
import { isArm64Image } from "./arm64.ts";
import { isBzImage, readBzImage } from "./bzimage.ts";
import { isElf, readVmlinux } from "./elf.ts";
import { kernelLimitBytes, unpackPayload } from "./unpack.ts";

/** What a hypervisor boots: whatever ember keeps, or on x86-64 nothing but an ELF file or a bzImage (on arm64 an Image). */
export type BootFile = "any" | "uncompressed" | "boot-protocol";

/**
 * The file of `kernel` to give to a hypervisor. Post-condition: it is there, and will not change. Idempotent: what has to be
 * unpacked is unpacked once, and lies beside the kernel from then on.
 * Throws `kernel-invalid` when there is none of the wanted form, `tool-missing` (xz, zstd), `disk-full`, `interrupted`.
 */
export async function kernelImageFor(
  kernel: Kernel,
  wanted: BootFile,
  signal?: AbortSignal,
): Promise<string> {
  if (wanted === "any") return kernel.bootPath;
  if (wanted === "boot-protocol" && kernel.arch === "amd64") return await bzImageOf(kernel);
  const unpackedPath = join(dirname(kernel.bootPath), fileNames.unpacked);
  if (existsSync(unpackedPath)) return unpackedPath;
  const isWanted = kernel.arch === "amd64" ? isElf : isArm64Image;
  if (isWanted(await headOf(kernel.bootPath))) return kernel.bootPath;
  const content = await unpack(kernel, signal);
  if (content === undefined) throw notUncompressed(kernel);
  writeFileAtomic(unpackedPath, content, 0o644); // as the others in that folder
  return unpackedPath;
}

async function bzImageOf({ name, bootPath, originalPath }: Kernel): Promise<string> {
  for (const path of [originalPath, bootPath])
    if (path !== undefined && isBzImage(await headOf(path))) return path;
  throw new EmberError("kernel-invalid", `kernel '${name}' is no bzImage, which this hypervisor boots`, {
    hint: "give the bzImage of the same build to 'ember kernel import', or use 'debian'",
  });
}

async function unpack(kernel: Kernel, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
  await using file = await open(kernel.bootPath, "r");
  if ((await file.stat()).size > kernelLimitBytes) return undefined;
  const bytes = await file.readFile();
  const payload = isBzImage(bytes) ? readBzImage(bytes).payload : undefined;
  const vmlinux = payload === undefined ? undefined : await unpackPayload(payload, signal);
  if (vmlinux === undefined || !isElf(vmlinux)) return undefined;
  readVmlinux(vmlinux); // refuses what is no kernel
  return vmlinux;
}

async function headOf(path: string): Promise<Buffer> {
  await using file = await open(path, "r");
  const head = Buffer.alloc(4096);
  const { bytesRead } = await file.read(head, 0, head.length, 0);
  return head.subarray(0, bytesRead);
}

function notUncompressed(kernel: Kernel): EmberError {
  return new EmberError(
    "kernel-invalid",
    `kernel '${kernel.name}' cannot be unpacked to the form that this hypervisor boots`,
    { hint: "give the vmlinux of the same build to 'ember kernel import', or use one of: debian, stock" },
  );
}
