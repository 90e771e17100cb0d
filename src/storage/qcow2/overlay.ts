import { type FileHandle, open } from "node:fs/promises";
import {
  type Backing,
  emptyOverlay,
  headerReadBytes,
  type OverlayHeader,
  parseHeader,
  sizeOffset,
} from "./header.ts";

/** Writes an empty overlay under a new name. Post-condition: its content survives power loss. ENOSPC may leave a part. */
export async function writeOverlay(path: string, sizeBytes: number, backing: Backing): Promise<void> {
  const { pieces, fileBytes } = emptyOverlay(sizeBytes, backing);
  const file = await open(path, "wx", 0o600);
  try {
    for (const piece of pieces) await writeAll(file, piece.bytes, piece.offset);
    await file.truncate(fileBytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
  }
}

async function readAt(file: FileHandle, length: number, offset: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let done = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    done += bytesRead;
    if (bytesRead === 0 || done === length) return bytes.subarray(0, done);
  }
}

/** Throws `io-failed` for a file that is not an overlay, and ENOENT. */
export async function readOverlay(path: string): Promise<OverlayHeader> {
  const file = await open(path, "r");
  try {
    return await headerOf(file, path);
  } finally {
    await file.close();
  }
}

async function headerOf(file: FileHandle, path: string): Promise<OverlayHeader> {
  return parseHeader(await readAt(file, headerReadBytes, 0), path);
}

export interface Examined {
  readonly inode: number;
  readonly header: OverlayHeader;
  /** Nothing was ever written to it: what it shows is its backing file alone. */
  readonly empty: boolean;
}

/** All of one file, whatever has its name a moment later. Throws what `readOverlay` throws. */
export async function examineOverlay(path: string): Promise<Examined> {
  const file = await open(path, "r");
  try {
    const header = await headerOf(file, path);
    const table = await readAt(file, header.l1.entries * 8, header.l1.offset);
    const empty = header.snapshots === 0 && table.equals(Buffer.alloc(table.length));
    return { inode: (await file.stat()).ino, header, empty };
  } finally {
    await file.close();
  }
}

/** Makes the disk in an overlay larger: one number within one sector. Post-condition: survives power loss. */
export async function writeSize(path: string, sizeBytes: number): Promise<void> {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(sizeBytes));
  const file = await open(path, "r+");
  try {
    await writeAll(file, bytes, sizeOffset);
    await file.sync();
  } finally {
    await file.close();
  }
}
