import { closeSync, fsyncSync, openSync, readSync, realpathSync, statSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import {
  createDevice,
  deviceNumber,
  deviceSectors,
  findDevice,
  mapperPath,
  removeDevice,
  replaceTable,
} from "../../host/dmsetup.ts";
import type { Backing, PoolDevices } from "./backing.ts";
import type { ThinLayout } from "./layout.ts";
import { blockBytes, linearTable, sectorBytes, splitPool } from "./sizes.ts";

// The device begins with a header of ember's, then the metadata, then the data: two linear targets cut it up.
const headerBytes = 1024 ** 2;
const magic = "ember thin pool 1\n";
/** Metadata for a device that becomes larger: it cannot grow where it lies. */
const growthFactor = 4;

/** A pool on a block device that is ember's as a whole. */
export function deviceBacking(device: string, layout: ThinLayout): Backing {
  const metadataName = `${layout.prefix}meta`;
  const dataName = `${layout.prefix}data`;
  const metadata = mapperPath(metadataName);
  const data = mapperPath(dataName);

  const tables = (): { metadata: string; data: string; dataBytes: number } => {
    const header = readHeader(device, layout);
    if (header === undefined) throw notOurs(device);
    const number = deviceNumber(statSync(device).rdev);
    const start = headerBytes + header.metadataBytes;
    const dataBytes = Math.floor((sizeOf(device) - start) / blockBytes) * blockBytes;
    return {
      metadata: linearTable(number, headerBytes, header.metadataBytes),
      data: linearTable(number, start, dataBytes),
      dataBytes,
    };
  };
  const attach = async (): Promise<PoolDevices> => {
    const wanted = tables();
    if (findDevice(metadataName) === undefined) await createDevice(metadataName, wanted.metadata);
    if (findDevice(dataName) === undefined) await createDevice(dataName, wanted.data);
    return { metadata, data, dataBytes: deviceSectors(data) * sectorBytes };
  };

  return {
    metadataName: metadata,
    metadataPath: () => metadata,
    below: () =>
      [metadataName, dataName]
        .map(findDevice)
        .filter((found) => found !== undefined)
        .filter((found) => found.below.includes(basename(realpathSync(device))))
        .map((found) => found.kernelName),
    make: async (_sizeBytes, holdsDisks) => {
      if (readHeader(device, layout) !== undefined) return;
      if (holdsDisks) throw notOurs(device);
      writeHeader(device, layout);
    },
    attach,
    grow: async (sizeBytes) => {
      const wanted = tables();
      const total = sizeOf(device);
      if (sizeBytes !== undefined && sizeBytes !== total) {
        throw new EmberError(
          "invalid-size",
          `the storage takes all of '${device}', which has ${total} bytes`,
          {
            hint: "make the device larger, then grow the storage without --size",
          },
        );
      }
      if (wanted.dataBytes < deviceSectors(data) * sectorBytes) {
        throw new EmberError("unsupported", `'${device}' has become smaller than the storage on it`);
      }
      await replaceTable(dataName, wanted.data);
      return attach();
    },
    detach: async () => {
      for (const name of [dataName, metadataName]) {
        if ((await removeDevice(name)) === "busy") throw inUse(device);
      }
    },
    purge: async () => {
      if (statSync(device, { throwIfNoEntry: false }) === undefined) return;
      const header = readHeader(device, layout);
      if (header !== undefined) zero(device, headerBytes + blockBytes); // the header, and the metadata's superblock
    },
    lower: async () => undefined,
  };
}

function sizeOf(device: string): number {
  return deviceSectors(device) * sectorBytes;
}

function notOurs(device: string): EmberError {
  return new EmberError("io-failed", `'${device}' does not hold the storage that ember made`, {
    hint: "see that it is the right device, or run 'ember deinit --purge' and 'ember init' to begin anew",
  });
}

function inUse(device: string): EmberError {
  return new EmberError("busy", `the storage on '${device}' is in use`, {
    hint: "stop the VMs, then try again ('dmsetup ls --tree' tells what uses it)",
  });
}

/** Whether the device carries a thin pool of ember's, whichever installation's. */
export function carriesPool(device: string): boolean {
  return readStart(device).startsWith(magic);
}

function readStart(device: string): string {
  let file: number;
  try {
    file = openSync(device, "r");
  } catch (error) {
    throw new EmberError("io-failed", `the storage's device '${device}' cannot be opened`, {
      hint: "see that it is there, then try again",
      cause: error,
    });
  }
  try {
    const start = Buffer.alloc(4096);
    const length = readSync(file, start, 0, start.length, 0);
    return start.subarray(0, length).toString("latin1");
  } finally {
    closeSync(file);
  }
}

/** The header, if it is this storage's. */
function readHeader(device: string, layout: ThinLayout): { readonly metadataBytes: number } | undefined {
  const [first, prefix, metadataBytes] = readStart(device).split("\n");
  if (`${first}\n` !== magic || prefix !== layout.prefix) return undefined;
  return { metadataBytes: Number(metadataBytes) };
}

/** The metadata begins with zeros before the header says that it is there. */
function writeHeader(device: string, layout: ThinLayout): void {
  const total = sizeOf(device);
  const { metadataBytes } = splitPool(total - headerBytes);
  const generous = splitPool(total * growthFactor).metadataBytes;
  const reserved = total > 64 * generous ? generous : metadataBytes;
  zero(device, headerBytes + blockBytes);
  const header = Buffer.alloc(4096);
  header.write(`${magic}${layout.prefix}\n${reserved}\n`, "latin1");
  writeAt(device, header);
}

function zero(device: string, bytes: number): void {
  writeAt(device, Buffer.alloc(bytes));
}

function writeAt(device: string, content: Buffer): void {
  const file = openSync(device, "r+");
  try {
    for (let offset = 0; offset < content.length; ) {
      offset += writeSync(file, content, offset, content.length - offset, offset);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
