import { EmberError } from "../errors/ember-error.ts";
import { type GuestArchitecture, hostArchitecture } from "../guest/binary/architecture.ts";
import type { TaskOptions } from "../types.ts";
import type { PackageRequest } from "./debian/kernel-package.ts";
import { pullDebian } from "./pull-debian.ts";
import { pullStock } from "./stock/pull-stock.ts";
import type { Kernel, KernelPlaces } from "./store.ts";

export interface PullOptions extends TaskOptions {
  /** Default: the host's. */
  readonly arch?: GuestArchitecture;
  /** In place of the host's own mirrors and keys, and of the place where stock kernels are published. */
  readonly from?: Pick<PackageRequest, "archives" | "keyringPath" | "limits"> & {
    /** Address of an S3 bucket, without a slash at its end. */
    readonly stockBucket?: string;
  };
}

type Pull = (
  places: KernelPlaces,
  name: string,
  arch: GuestArchitecture,
  options: PullOptions,
) => Promise<Kernel>;

const presets: ReadonlyMap<string, Pull> = new Map([
  ["debian", pullDebian],
  ["stock", pullStock],
]);

/** Kernels that can be fetched by name. */
export const presetNames: readonly string[] = [...presets.keys()];

/**
 * Fetches the newest kernel of a preset; the kernel has the preset's name. Idempotent: when it is there already, and still
 * the newest, nothing changes. The caller sees to it that no other pull of the same preset runs.
 * Throws `kernel-not-found` (unknown preset), `download-failed`, `verification-failed`, `kernel-invalid`, `tool-missing`,
 * `disk-full`, `interrupted`; then nothing has changed.
 */
export async function pullPreset(
  places: KernelPlaces,
  preset: string,
  options: PullOptions = {},
): Promise<Kernel> {
  const pull = presets.get(preset);
  if (pull === undefined) {
    throw new EmberError("kernel-not-found", `there is no kernel preset ${JSON.stringify(preset)}`, {
      hint: `the presets are: ${presetNames.join(", ")}`,
    });
  }
  return await pull(places, preset, options.arch ?? hostArchitecture(), options);
}
