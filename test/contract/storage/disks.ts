import { expect } from "bun:test";
import { closeSync, fsyncSync, openSync, readSync, statSync, writeFileSync, writeSync } from "node:fs";
import type { ErrorCode } from "../../../src/errors/catalogue.ts";
import { EmberError } from "../../../src/errors/ember-error.ts";
import { run } from "../../../src/host/run.ts";
import type { DiskLocation, Storage } from "../../../src/storage/storage.ts";
import { mib } from "./place.ts";

export const imageId = "0123456789abcdef";
export const imageBytes: number = 2 * mib;

/** An id that no other test uses with the same number. */
export function vmId(number: number): string {
  return number.toString(16).padStart(16, "0");
}

/** Writes a block of 64 KiB full of `byte` to the disk, as the guest would see it. */
export async function put(disk: DiskLocation, offset: number, byte: number): Promise<void> {
  if (disk.format === "qcow2") {
    await run("qemu-io", ["-f", "qcow2", "-c", `write -P ${byte} ${offset} 65536`, disk.path]);
    return;
  }
  const file = openSync(disk.path, "r+");
  try {
    writeSync(file, Buffer.alloc(65_536, byte), 0, 65_536, offset);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Expects the 64 KiB at each offset to be full of the given byte. */
export async function expectBytes(
  disk: DiskLocation,
  blocks: Readonly<Record<number, number>>,
): Promise<void> {
  const wanted = Object.entries(blocks);
  if (disk.format === "qcow2") {
    const commands = wanted.flatMap(([offset, byte]) => ["-c", `read -P ${byte} ${offset} 65536`]);
    const { status, stdout } = await run("qemu-io", ["-r", "-f", "qcow2", ...commands, disk.path], {
      okStatuses: [0, 1],
    });
    expect({ status, stdout: status === 0 ? "" : stdout }).toEqual({ status: 0, stdout: "" });
    return;
  }
  const file = openSync(disk.path, "r");
  try {
    for (const [offset, byte] of wanted) {
      const block = Buffer.alloc(65_536, byte ^ 0xff);
      readSync(file, block, 0, block.length, Number(offset));
      expect({ offset, same: block.equals(Buffer.alloc(65_536, byte)) }).toEqual({ offset, same: true });
    }
  } finally {
    closeSync(file);
  }
}

/** The disk's size as a guest sees it; a qcow2 disk is also checked for faults. */
export async function diskBytes(disk: DiskLocation): Promise<number> {
  if (disk.format === "raw") {
    const facts = statSync(disk.path);
    if (!facts.isBlockDevice()) return facts.size;
    return Number((await run("blockdev", ["--getsize64", disk.path])).stdout);
  }
  await run("qemu-img", ["check", "-q", "-f", "qcow2", disk.path]);
  const { stdout } = await run("qemu-img", ["info", "-f", "qcow2", "--output=json", disk.path]);
  const info: unknown = JSON.parse(stdout);
  if (typeof info !== "object" || info === null || !("virtual-size" in info)) throw new Error(stdout);
  return Number(info["virtual-size"]);
}

/** Calls `use` with a VM's disk, active as for a start, and lets go of it as after a stop. */
export async function withDisk<T>(
  storage: Storage,
  number: number,
  use: (disk: DiskLocation) => T | Promise<T>,
): Promise<T> {
  const vm = { vmId: vmId(number) };
  const disk = await storage.activate(vm);
  try {
    return await use(disk);
  } finally {
    await storage.deactivate(vm);
  }
}

/** Writes 64 KiB full of `byte` to the disk of a stopped VM. */
export async function putVm(storage: Storage, number: number, offset: number, byte: number): Promise<void> {
  await withDisk(storage, number, (disk) => put(disk, offset, byte));
}

export async function expectVm(
  storage: Storage,
  number: number,
  blocks: Readonly<Record<number, number>>,
): Promise<void> {
  await withDisk(storage, number, (disk) => expectBytes(disk, blocks));
}

/** Removes a VM that others may have been forked from; they keep what they have. */
export async function removeSource(storage: Storage, number: number): Promise<void> {
  await storage.dependentForks?.detach({ vmId: vmId(number) });
  await storage.removeVm({ vmId: vmId(number) });
}

/** What no storage can make smaller, however it compresses. */
export function incompressible(bytes: number): Buffer {
  const content = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 65_536) {
    crypto.getRandomValues(content.subarray(at, Math.min(at + 65_536, bytes)));
  }
  return content;
}

/** Imports an image of 2 MiB: 0x11 in the first MiB, 0x22 in the second. */
export async function importSample(
  storage: Storage,
  id: string = imageId,
  bytes: number = imageBytes,
): Promise<void> {
  const path = await storage.stagingPath(id);
  const content = Buffer.alloc(bytes, 0x22);
  content.fill(0x11, 0, mib);
  writeFileSync(path, content);
  await storage.importImage({ imageId: id }, path);
}

/** The error that a promise fails with. */
export async function codeOf(work: Promise<unknown>): Promise<ErrorCode | "no error"> {
  try {
    await work;
    return "no error";
  } catch (error) {
    if (error instanceof EmberError) return error.code;
    throw error;
  }
}
