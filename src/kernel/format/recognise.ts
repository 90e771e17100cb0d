import { isArm64Image, isZboot, zbootPayload } from "./arm64.ts";
import { isBzImage, readBzImage } from "./bzimage.ts";
import { isElf, readVmlinux } from "./elf.ts";
import { invalidKernel } from "./invalid.ts";
import type { BootMethod, RecognisedKernel } from "./kernel-format.ts";
import { looksLike } from "./looks-like.ts";
import { unpackPayload, unpackWhole } from "./unpack.ts";
import { scanVersion } from "./version.ts";

/**
 * Says what kernel a file is, and unpacks it as far as that makes it boot faster. Throws `kernel-invalid`, saying what the
 * file looks like instead, `tool-missing` (xz, zstd), `interrupted`.
 */
export async function recogniseKernel(bytes: Buffer, signal?: AbortSignal): Promise<RecognisedKernel> {
  const direct = await recogniseUnpacked(bytes, signal);
  if (direct !== undefined) return direct;
  const unpacked = isZboot(bytes) ? await unpackZboot(bytes, signal) : await unpackWhole(bytes, signal);
  const inner = unpacked === undefined ? undefined : await recogniseUnpacked(unpacked, signal);
  if (inner !== undefined) return { ...inner, original: inner.original ?? bytes };
  const content = unpacked === undefined ? "" : `, and what it holds ${looksLike(unpacked)}`;
  throw invalidKernel(`${looksLike(bytes)}${content}`);
}

async function recogniseUnpacked(
  bytes: Buffer,
  signal: AbortSignal | undefined,
): Promise<RecognisedKernel | undefined> {
  if (isBzImage(bytes)) return await fromBzImage(bytes, signal);
  if (isElf(bytes)) return fromVmlinux(bytes);
  if (isArm64Image(bytes) && !isZboot(bytes)) return fromArm64Image(bytes);
  return undefined;
}

async function fromBzImage(bytes: Buffer, signal: AbortSignal | undefined): Promise<RecognisedKernel> {
  const { version, payload } = readBzImage(bytes);
  const vmlinux = payload === undefined ? undefined : await unpackPayload(payload, signal);
  const inner = vmlinux === undefined || !isElf(vmlinux) ? undefined : readVmlinux(vmlinux);
  const recognised = {
    format: "bzImage",
    arch: "amd64",
    version: version ?? inner?.version ?? "unknown",
  } as const;
  // Without the PVH entry an unpacked kernel starts under fewer hypervisors than the bzImage that it came in.
  if (vmlinux === undefined || inner === undefined || !inner.bootable.includes("pvh")) {
    const bootable: BootMethod[] = inner === undefined ? ["bzimage"] : ["bzimage", "elf"];
    return { ...recognised, bootable, kernel: bytes, original: undefined };
  }
  return { ...recognised, bootable: ["bzimage", ...inner.bootable], kernel: vmlinux, original: bytes };
}

function fromVmlinux(bytes: Buffer): RecognisedKernel {
  return { format: "vmlinux", arch: "amd64", ...readVmlinux(bytes), kernel: bytes, original: undefined };
}

function fromArm64Image(bytes: Buffer): RecognisedKernel {
  const version = scanVersion(bytes) ?? "unknown";
  return {
    format: "Image",
    arch: "arm64",
    version,
    bootable: ["image"],
    kernel: bytes,
    original: undefined,
  };
}

async function unpackZboot(bytes: Buffer, signal: AbortSignal | undefined): Promise<Buffer> {
  const unpacked = await unpackWhole(zbootPayload(bytes), signal);
  if (unpacked === undefined) throw invalidKernel("is an EFI kernel packed in a way that is not known here");
  return unpacked;
}
