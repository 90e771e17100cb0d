import { rm } from "node:fs/promises";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import type { GuestArchitecture } from "../guest/binary/architecture.ts";
import { ensurePrivateFolder } from "../host/files.ts";
import type { TaskOptions } from "../types.ts";
import { extractKernel } from "./deb/extract.ts";
import { type FetchedPackage, fetchKernelPackage } from "./debian/kernel-package.ts";
import { recogniseKernel } from "./format/recognise.ts";
import { installKernel, type NewKernel } from "./install.ts";
import { packModules } from "./modules/pack.ts";
import type { PullOptions } from "./presets.ts";
import { readRecord, recipe } from "./record.ts";
import { getKernel, type Kernel, type KernelPlaces, scratchFolder } from "./store.ts";

/** Debian's kernel for clouds, with the modules that guests need. See `pullPreset`. */
export async function pullDebian(
  places: KernelPlaces,
  name: string,
  arch: GuestArchitecture,
  options: PullOptions,
): Promise<Kernel> {
  const folder = join(places.cacheDir, "debian");
  const deb = await fetchKernelPackage({ ...options.from, arch, folder }, options);
  if (isMadeFrom(join(places.kernelsDir, name), deb)) return getKernel(places, name);
  options.onProgress?.({ step: "unpacking the kernel" });
  ensurePrivateFolder(places.kernelsDir);
  const staging = scratchFolder(places, "new", name);
  try {
    const made = await makeKernel(name, arch, deb, staging, options);
    return await installKernel(places, made, { replace: true });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

function isMadeFrom(folder: string, deb: FetchedPackage): boolean {
  try {
    const record = readRecord(folder);
    return record?.recipe === recipe && record.sourceSha256 === deb.sha256;
  } catch (error) {
    if (error instanceof EmberError) return false; // damaged: it is made anew
    throw error;
  }
}

async function makeKernel(
  name: string,
  arch: GuestArchitecture,
  deb: FetchedPackage,
  staging: string,
  { signal }: TaskOptions,
): Promise<NewKernel> {
  const unpacked = await extractKernel(deb.path, staging, signal);
  const kernel = await recogniseKernel(unpacked.kernel, signal);
  if (kernel.arch !== arch) {
    throw new EmberError("kernel-invalid", `the package's kernel is for ${kernel.arch}, not ${arch}`);
  }
  const { base, roots } = await packModules({ folder: staging, builtinList: unpacked.builtinList }, signal);
  return {
    name,
    kernel: { ...kernel, version: unpacked.version },
    archive: base === undefined ? undefined : { kind: "modules", content: base },
    roots,
    config: unpacked.config,
    source: deb.source,
    sourceSha256: deb.sha256,
  };
}
