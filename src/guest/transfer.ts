import type { FileHandle } from "node:fs/promises";
import type { GuestHandle } from "./sftp.ts";

/** One SFTP packet's worth, so that a request is one packet of the connection. */
const chunkBytes = 31 * 1024;

/** Requests in flight: 2 MiB on the way hide the round trip of a slow guest. */
const maxRequests = 64;

/**
 * Copies a whole file by positioned reads and writes, many at a time. Ends at the source's end, wherever that turns
 * out to be (files that grow, files of /proc that say they are empty). `onBytes` is told every piece; throwing in
 * it stops the transfer.
 */
async function transfer(
  sizeBytes: number,
  read: (buffer: Buffer, length: number, position: number) => Promise<number>,
  write: (buffer: Buffer, length: number, position: number) => Promise<void>,
  onBytes: (count: number) => void,
): Promise<void> {
  let next = 0;
  let ended = false; // no further piece is begun; those in hand are finished
  let failed = false;
  const work = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    while (!ended) {
      let position = next;
      next += chunkBytes;
      const end = next;
      while (!failed && position < end) {
        const count = await read(buffer, end - position, position);
        if (count === 0) break;
        await write(buffer, count, position);
        position += count;
        onBytes(count);
      }
      if (position < end) ended = true;
    }
  };
  const requests = Math.min(maxRequests, Math.floor(sizeBytes / chunkBytes) + 1);
  const results = await Promise.allSettled(
    Array.from({ length: requests }, () =>
      work().catch((error: unknown) => {
        ended = true;
        failed = true;
        throw error;
      }),
    ),
  );
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** Writes the whole of a file of the guest to an open file of the host. */
export async function download(
  source: GuestHandle,
  sizeBytes: number,
  target: FileHandle,
  onBytes: (count: number) => void,
): Promise<void> {
  const write = async (buffer: Buffer, length: number, position: number): Promise<void> => {
    for (let done = 0; done < length; ) {
      done += (await target.write(buffer, done, length - done, position + done)).bytesWritten;
    }
  };
  await transfer(
    sizeBytes,
    (buffer, length, position) => source.read(buffer, length, position),
    write,
    onBytes,
  );
}

/** Writes the whole of an open file of the host to a file of the guest. */
export async function upload(
  source: FileHandle,
  sizeBytes: number,
  target: GuestHandle,
  onBytes: (count: number) => void,
): Promise<void> {
  const read = async (buffer: Buffer, length: number, position: number): Promise<number> =>
    (await source.read(buffer, 0, length, position)).bytesRead;
  await transfer(
    sizeBytes,
    read,
    (buffer, length, position) => target.write(buffer, length, position),
    onBytes,
  );
}
