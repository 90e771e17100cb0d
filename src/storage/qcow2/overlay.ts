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
    return parseHeader(await readAt(file, headerReadBytes, 0), path);
  } finally {
    await file.close();
  }
}

/** Whether nothing was ever written to the overlay: then what it shows is its backing file alone. */
export async function isEmptyOverlay(path: string, header: OverlayHeader): Promise<boolean> {
  if (header.snapshots !== 0) return false;
  const file = await open(path, "r");
  try {
    const table = await readAt(file, header.l1.entries * 8, header.l1.offset);
    return table.equals(Buffer.alloc(table.length));
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
