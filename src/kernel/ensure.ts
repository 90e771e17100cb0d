import type { Installation } from "../installation.ts";
import { readSetting } from "../state/settings.ts";
import type { TaskOptions } from "../types.ts";
import { createKernelApi, defaultPreset, pullKernel } from "./kernels.ts";
import { presetNames } from "./presets.ts";
import { getKernel, listKernels } from "./store.ts";

/**
 * The name of the kernel that a VM is to boot: the wished one, or the installation's default. A preset is pulled when
 * it is absent, a file (a path has a slash) imported. Throws `kernel-not-found`, and what pull and import throw.
 */
export async function ensureKernel(
  installation: Installation,
  wish: string | undefined,
  options: TaskOptions = {},
): Promise<string> {
  if (wish?.includes("/") === true) return (await createKernelApi(installation).import(wish)).name;
  const name = wish ?? readSetting(installation.db, "default-kernel") ?? defaultPreset;
  const present = listKernels(installation.paths).some((kernel) => kernel.name === name);
  if (present || !presetNames.includes(name)) return getKernel(installation.paths, name).name;
  options.onProgress?.({ step: `fetching kernel ${name}` });
  return (await pullKernel(installation, name, options)).name;
}
