import { type FileHandle, open, rm } from "node:fs/promises";
import { blockBytes } from "./format.ts";

const bufferBytes = 1 * 1024 * 1024;
/** How much is written before the kernel is told to take it to the disk: else all of it would come at the end. */
const syncBytes = 64 * 1024 * 1024;
const zeroBlock = Buffer.alloc(blockBytes);

/**
 * The disk as a sparse file. Small writes that follow each other are gathered into large ones, one of which is under
 * way while the next is gathered; blocks of zeros on fresh ground are not written at all.
 */
export class DiskFile {
  readonly #path: string;
  readonly #file: FileHandle;
  #buffer: Buffer = Buffer.allocUnsafe(bufferBytes);
  #spare: Buffer = Buffer.allocUnsafe(bufferBytes);
  #start = 0;
  #used = 0;
  #fresh = true;
  #underWay: Promise<void> | undefined;
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  #closed = false;
  #occupied = 0;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** Makes the file, readable by its owner alone; a file that is there is removed, never written through. */
  static async create(path: string): Promise<DiskFile> {
    await rm(path, { force: true });
    return new DiskFile(path, await open(path, "wx", 0o600));
  }

  /**
   * Writes `bytes` at `offset`. What of the first and last block they leave open is zero afterwards, unless the write
   * goes on where the last one ended. `fresh` says that nothing was ever written to those blocks. A promise comes back
   * only when there is something to wait for; `bytes` may be reused when it is fulfilled.
   */
  write(offset: number, bytes: Buffer, fresh: boolean): Promise<void> | undefined {
    if (this.#joins(offset, fresh)) {
      const begin = offset - this.#start;
      if (begin + bytes.length <= bufferBytes) {
        this.#put(begin, bytes);
        return undefined;
      }
    }
    return this.#writeSlowly(offset, bytes, fresh);
  }

  /** Writes out all that was gathered. */
  async flush(): Promise<void> {
    await this.#rotate();
    await this.#underWay;
    await this.#syncing;
  }

  /** What the file takes up on the disk of the host, in bytes: what was written, holes not counted. */
  get occupiedBytes(): number {
    return this.#occupied;
  }

  /** Sets the file's length. */
  async setSize(sizeBytes: number): Promise<void> {
    await this.#file.truncate(sizeBytes);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }

  /** Closes the file and removes it. Idempotent. */
  async remove(): Promise<void> {
    try {
      await this.#underWay;
      await this.#syncing;
    } catch {
      // the write's own failure was, or will be, thrown to whoever wrote
    }
    await this.close();
    await rm(this.#path, { force: true });
  }

  /** Whether a write goes on with what is gathered: right behind it, or with a gap within or up to the end of a block. */
  #joins(offset: number, fresh: boolean): boolean {
    if (this.#used === 0) {
      this.#begin(offset, fresh);
      return true;
    }
    const end = this.#start + this.#used;
    return fresh === this.#fresh && offset >= end && offset <= Math.ceil(end / blockBytes) * blockBytes;
  }

  #begin(offset: number, fresh: boolean): void {
    this.#start = offset - (offset % blockBytes);
    this.#fresh = fresh;
  }

  #put(begin: number, bytes: Buffer): void {
    if (begin > this.#used) this.#buffer.fill(0, this.#used, begin);
    bytes.copy(this.#buffer, begin);
    this.#used = begin + bytes.length;
  }

  async #writeSlowly(offset: number, bytes: Buffer, fresh: boolean): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      if (!this.#joins(at, fresh)) {
        await this.#rotate();
        this.#begin(at, fresh);
      }
      const begin = at - this.#start;
      const part = bytes.subarray(done, done + bufferBytes - begin);
      if (part.length === 0) {
        await this.#rotate();
        continue;
      }
      this.#put(begin, part);
      done += part.length;
    }
  }

  /** Sends the gathered blocks on their way, after those before them have arrived. */
  async #rotate(): Promise<void> {
    await this.#underWay;
    if (this.#used === 0) return;
    const end = Math.ceil(this.#used / blockBytes) * blockBytes;
    this.#buffer.fill(0, this.#used, end);
    const work = this.#writeOut(this.#buffer, end, this.#start, this.#fresh);
    work.catch(() => undefined); // thrown by the next rotate, which awaits it
    this.#underWay = work;
    [this.#buffer, this.#spare] = [this.#spare, this.#buffer];
    this.#used = 0;
    await this.#syncNowAndThen(end);
  }

  /** One at a time, beside the writing. */
  async #syncNowAndThen(written: number): Promise<void> {
    this.#unsynced += written;
    if (this.#unsynced < syncBytes) return;
    await this.#syncing;
    this.#unsynced = 0;
    this.#syncing = this.#file.datasync();
    this.#syncing.catch(() => undefined); // thrown by whoever awaits it
  }

  async #writeOut(buffer: Buffer, length: number, position: number, fresh: boolean): Promise<void> {
    for (let at = 0; at < length; ) {
      if (fresh && isZero(buffer, at)) {
        at += blockBytes;
        continue;
      }
      let end = at + blockBytes;
      while (end < length && !(fresh && isZero(buffer, end))) end += blockBytes;
      if (fresh) this.#occupied += end - at;
      while (at < end) at += (await this.#file.write(buffer, at, end - at, position + at)).bytesWritten;
    }
  }
}

function isZero(buffer: Buffer, at: number): boolean {
  if (buffer[at] !== 0 || buffer[at + 1] !== 0 || buffer[at + 17] !== 0) return false;
  return buffer.compare(zeroBlock, 0, blockBytes, at, at + blockBytes) === 0;
}
