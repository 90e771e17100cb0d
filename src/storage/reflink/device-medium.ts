import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { deviceBytes, kernelNameOf, whyNotFree, wipeSignatures } from "../../host/block-device.ts";
import { formatSize } from "../../host/sizes.ts";
import { type FileSystem, findOwn, makeFileSystem } from "./file-systems.ts";
import type { Medium } from "./medium.ts";

/** A block device that is ember's as a whole. */
export function deviceMedium(device: string): Medium {
  return {
    path: device,
    isDevice: true,
    hostFolder: undefined,
    isBelow: (name) => name === kernelNameOf(device),
    make: async (kind) => {
      const found = findOnDevice(device, kind);
      if (found === "ours") return;
      if (found === "other") await checkFree(device, kind);
      await makeFileSystem(kind, device);
    },
    check: (kind) => {
      if (findOnDevice(device, kind) === "ours") return;
      throw new EmberError("io-failed", `'${device}' does not hold the storage that ember made on it`, {
        hint: "see that it is the same device as before, or begin anew with 'ember deinit --purge' and 'ember init'",
      });
    },
    grow: async (_, sizeBytes) => {
      if (sizeBytes !== undefined) {
        throw new EmberError("usage", `a storage on a device is as large as the device, '${device}'`, {
          hint: "make the device larger, then run this without --size",
        });
      }
      nameOf(device);
    },
    settle: async () => undefined,
    release: async () => undefined,
    purge: async (kind) => {
      const name = kernelNameOf(device);
      if (name === undefined || deviceBytes(name) === 0 || findOnDevice(device, kind) === "other") return;
      await wipeSignatures(device);
    },
  };
}

/**
 * Whether ember made the file system that is on the device, or may make one: throws `already-initialized` with the
 * remedy when something else is on it, `io-failed`, `invalid-size`.
 */
export async function inspectDevice(device: string, kind: FileSystem): Promise<"ours" | "free"> {
  const found = findOnDevice(device, kind);
  if (found === "ours") return "ours";
  if (found === "other") await checkFree(device, kind);
  return "free";
}

function nameOf(device: string): string {
  const name = kernelNameOf(device);
  if (name !== undefined && deviceBytes(name) > 0) return name;
  throw new EmberError(
    "io-failed",
    name === undefined ? `there is no block device '${device}'` : `the device '${device}' is gone`,
    { hint: "attach it again, then try again" },
  );
}

function findOnDevice(device: string, kind: FileSystem): "ours" | "unfinished" | "other" {
  nameOf(device);
  try {
    return findOwn(device, kind);
  } catch (error) {
    if (!["EIO", "ENXIO", "ENODEV", "ENOMEDIUM"].includes(errnoCode(error) ?? "")) throw error;
    throw new EmberError("io-failed", `the device '${device}' cannot be read`, {
      hint: "see what 'dmesg' tells of it; attach it again, then try again",
      cause: error,
    });
  }
}

async function checkFree(device: string, kind: FileSystem): Promise<void> {
  const name = nameOf(device);
  const bytes = deviceBytes(name);
  const reason = await whyNotFree(device, name);
  if (reason !== undefined) {
    throw new EmberError("already-initialized", `'${device}' cannot be taken: ${reason}`, {
      hint: `choose another device, or, when nothing on it is needed, free it and run 'wipefs --all ${device}'`,
    });
  }
  if (bytes >= kind.leastBytes) return;
  throw new EmberError("invalid-size", `'${device}' has only ${formatSize(bytes)}`, {
    hint: `${kind.title} takes at least ${kind.leastText}`,
  });
}
