import { statSync } from "node:fs";
import { EmberError } from "../../errors/ember-error.ts";
import {
  createDevice,
  deviceNumber,
  deviceSectors,
  findDevice,
  mapperPath,
  parseVdoStatus,
  removeDevice,
  statusOf,
} from "../../host/dmsetup.ts";
import { run } from "../../host/run.ts";
import type { Backing, PoolDevices } from "./backing.ts";
import type { ThinLayout } from "./layout.ts";
import { blockBytes, sectorBytes } from "./sizes.ts";

const vdoBlockBytes = 4096;
const blockMapCacheBlocks = 32_768; // 128 MiB, the least that the kernel's documentation advises
const blockMapEra = 16_380;

/** The pool is given twice the room that there is: what compresses worse fills the dm-vdo before the pool is full. */
const promise = 2;
const fullShare = 0.95;

/**
 * A compressing dm-vdo between the pool's data and what that lies on. Written from the kernel's documentation: no kernel
 * with dm-vdo has been at hand to run it.
 */
export function withVdo(backing: Backing, layout: ThinLayout): Backing {
  const name = `${layout.prefix}vdo`;
  const stack = async (below: PoolDevices): Promise<PoolDevices> => {
    if (findDevice(name) === undefined) {
      const logicalBytes = await formatted(below);
      await createDevice(name, vdoTable(below.data, logicalBytes));
    }
    const data = mapperPath(name);
    const dataBytes = Math.floor((deviceSectors(data) * sectorBytes) / blockBytes) * blockBytes;
    return { metadata: below.metadata, data, dataBytes };
  };
  return {
    ...backing,
    below: () => {
      const [metadata] = backing.below();
      const found = findDevice(name);
      return metadata === undefined || found === undefined ? [] : [metadata, found.kernelName];
    },
    attach: async () => stack(await backing.attach()),
    grow: async () => {
      throw new EmberError("unsupported", "a storage with compression (--vdo) cannot be grown yet");
    },
    lower: async () => {
      const below = await backing.lower();
      if (findDevice(name) === undefined) return below;
      const { usedBlocks, blocks } = parseVdoStatus(await statusOf(name));
      const freeBytes = (blocks - usedBlocks) * vdoBlockBytes;
      if (below !== undefined && (below.full || below.freeBytes < freeBytes)) return below;
      return { freeBytes, full: usedBlocks >= fullShare * blocks, what: "the compressing device (dm-vdo)" };
    },
    detach: async () => {
      if ((await removeDevice(name)) === "busy") {
        throw new EmberError("busy", "the storage's compression is in use", { hint: "stop the VMs first" });
      }
      await backing.detach();
    },
  };
}

/** Formats the device unless it is a dm-vdo's already: vdoformat refuses that. The result is the logical size. */
async function formatted(below: PoolDevices): Promise<number> {
  const logicalBytes = promise * below.dataBytes;
  await run("vdoformat", [`--logical-size=${logicalBytes}B`, below.data], {
    okStatuses: [0, 1, 255], // why it refused shows when the device is not made
    timeoutMs: 600_000,
  });
  return logicalBytes;
}

/** Kernel: admin-guide/device-mapper/vdo. */
export function vdoTable(device: string, logicalBytes: number): string {
  const number = deviceNumber(statSync(device).rdev);
  const blocks = Math.floor((deviceSectors(device) * sectorBytes) / vdoBlockBytes);
  return [
    `0 ${logicalBytes / sectorBytes} vdo V4 ${number} ${blocks} ${vdoBlockBytes}`,
    `${blockMapCacheBlocks} ${blockMapEra} deduplication off compression on`,
  ].join(" ");
}
