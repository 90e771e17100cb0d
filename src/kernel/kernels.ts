import { bootableBy } from "#platform";
import type { KernelApi } from "../api.ts";
import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { recordEvent } from "../state/events.ts";
import { readSetting, removeSetting, writeSetting } from "../state/settings.ts";
import { vmsOfKernel } from "../state/vms.ts";
import type { BuildKernelOptions, BuiltKernelReport, KernelSummary, TaskOptions } from "../types.ts";
import type { Alone } from "./build/build.ts";
import { getKernel, hasKernel, type Kernel, listKernels, removeKernel, sweepKernels } from "./store.ts";

/**
 * What one can do with an installation's kernels. They are folders that appear and vanish in one step, so they are
 * their own truth; the database keeps which of them is the default, and which VM uses which.
 */
export function createKernelApi(installation: Installation): KernelApi {
  return {
    list: async () => listKernels(installation.paths).map((kernel) => toSummary(installation, kernel)),
    pull: async (preset, options) => toSummary(installation, await pullKernel(installation, preset, options)),
    import: async (file, options = {}) => {
      const { importKernel } = await import("./import.ts");
      const kernel = await changing(installation, "import", {}, () =>
        importKernel(installation.paths, file, options),
      );
      recordEvent(installation.db, "kernel.imported", kernel.name, { version: kernel.version });
      return toSummary(installation, kernel);
    },
    build: (options) => build(installation, options),
    setDefault: async (name) =>
      writeSetting(installation.db, "default-kernel", getKernel(installation.paths, name).name),
    delete: (name) => deleteKernel(installation, name),
  };
}

/** Fetches a preset's newest kernel. The first kernel of an installation becomes its default. */
export async function pullKernel(
  installation: Installation,
  preset: string,
  options: TaskOptions = {},
): Promise<Kernel> {
  const { pullPreset } = await import("./presets.ts");
  const kernel = await changing(installation, "pull", options, () =>
    pullPreset(installation.paths, preset, options),
  );
  recordEvent(installation.db, "kernel.pulled", kernel.name, { version: kernel.version });
  return kernel;
}

/** Compiling takes minutes, so other commands on kernels run meanwhile: only fetching and taking in keep them out. */
async function build(
  installation: Installation,
  options: BuildKernelOptions & TaskOptions = {},
): Promise<BuiltKernelReport> {
  const { buildKernel } = await import("./build/build.ts");
  const alone: Alone = (body) => changing(installation, "build", options, body);
  await alone(async () => undefined); // sweeps what killed builds left, before space is looked for
  const { made, kernel } = await buildKernel(installation.paths, options, alone, options);
  const { version, arch, format, bootable } = made.kernel;
  if (kernel !== undefined) recordEvent(installation.db, "kernel.built", kernel.name, { version });
  return {
    kernel: kernel === undefined ? null : toSummary(installation, kernel),
    path: kernel === undefined ? (options.output ?? null) : null,
    version,
    architecture: arch,
    format,
    hypervisors: bootableBy(bootable),
  };
}

async function deleteKernel(installation: Installation, name: string): Promise<void> {
  await changing(installation, "delete", {}, async () => {
    if (!hasKernel(installation.paths, name)) getKernel(installation.paths, name); // says that it is not there
    const users = vmsOfKernel(installation.db, name);
    if (users.length > 0) {
      throw new EmberError(
        "has-dependants",
        `kernel '${name}' is used by: ${users.slice(0, 10).join(", ")}`,
        {
          hint: "give those VMs another with 'ember vm update --kernel', or delete them",
        },
      );
    }
    if (readSetting(installation.db, "default-kernel") === name)
      removeSetting(installation.db, "default-kernel");
    await removeKernel(installation.paths, name);
    recordEvent(installation.db, "kernel.deleted", name);
  });
}

/** Kernels change one command at a time: rarely, and a pull fills the cache that `prune` empties. */
async function changing<T>(
  installation: Installation,
  verb: string,
  options: TaskOptions,
  body: () => Promise<T>,
): Promise<T> {
  installation.setting("installation-id"); // refused before anything is fetched
  return await installation.holding(
    ["cache", "kernels"],
    `ember kernel ${verb}`,
    async () => {
      sweepKernels(installation.paths);
      return await body();
    },
    { timeoutMs: 600_000, signal: options.signal },
  );
}

function toSummary(installation: Installation, kernel: Kernel): KernelSummary {
  const defaultName = readSetting(installation.db, "default-kernel") ?? defaultPreset;
  return {
    name: kernel.name,
    version: kernel.version,
    architecture: kernel.arch,
    format: kernel.format,
    hypervisors: bootableBy(kernel.bootable),
    source: kernel.source,
    isDefault: kernel.name === defaultName,
    sizeBytes: kernel.sizeBytes,
    createdAt: kernel.createdAt,
  };
}

/** What a VM boots when nobody chose otherwise. */
export const defaultPreset = "debian";
