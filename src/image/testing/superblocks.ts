import type { GuestArchitecture } from "../../guest/binary/architecture.ts";

/** Superblocks with nothing behind them: enough for what is not looked into. */

const blockBytes = 4096;

export interface FakeFileSystem {
  readonly sizeBytes: number;
  /** What it says that it has; default: `sizeBytes`. */
  readonly claimedBytes?: number;
  readonly label?: string;
  readonly change?: (bytes: Buffer) => void;
}

export function fakeXfs({ sizeBytes, claimedBytes = sizeBytes, label = "", change }: FakeFileSystem): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  const blocks = Math.floor(claimedBytes / blockBytes);
  bytes.write("XFSB");
  bytes.writeUInt32BE(blockBytes, 4);
  bytes.writeBigUInt64BE(BigInt(blocks), 8);
  bytes.writeBigUInt64BE(5n, 48); // where its log begins
  bytes.writeUInt32BE(Math.ceil(blocks / 4), 84);
  bytes.writeUInt32BE(4, 88);
  bytes.write(label, 108);
  change?.(bytes);
  return bytes;
}

export function fakeBtrfs({
  sizeBytes,
  claimedBytes = sizeBytes,
  label = "",
  change,
}: FakeFileSystem): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  const superblock = bytes.subarray(65_536);
  superblock.write("_BHRfS_M", 64);
  superblock.writeBigUInt64LE(BigInt(claimedBytes), 112);
  superblock.writeBigUInt64LE(1n, 136); // devices
  superblock.writeUInt32LE(blockBytes, 144);
  superblock.writeBigUInt64LE(1n, 201);
  superblock.writeBigUInt64LE(BigInt(claimedBytes), 209);
  superblock.write(label, 299);
  change?.(superblock);
  return bytes;
}

/** What a partition with a root is marked with, by what its programs are for. */
export const rootTypeOf: Readonly<Record<GuestArchitecture, string>> = {
  amd64: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
  arm64: "b921b045-1df0-41c3-af44-4c6f280d3fae",
};
