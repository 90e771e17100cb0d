import { EmberError } from "../errors/ember-error.ts";
import { hostArchitecture } from "../guest/binary/architecture.ts";
import type { Installation } from "../installation.ts";
import type { ImageRecord } from "../state/images.ts";
import type { RegistryOptions, TaskOptions } from "../types.ts";
import { lookUpImage } from "./names.ts";

/**
 * The image that a user named for a VM, pulled when it is not here. Throws `unsupported` when it is for another
 * architecture than guests have here, and what `ImageApi.pull` throws.
 */
export async function ensureImage(
  installation: Installation,
  wanted: string,
  task: TaskOptions & { readonly registry?: RegistryOptions } = {},
): Promise<ImageRecord> {
  const image = lookUpImage(installation.db, wanted) ?? (await pull(installation, wanted, task));
  const architecture = hostArchitecture();
  if (image.architecture === architecture) return image;
  throw new EmberError(
    "unsupported",
    `image '${image.name}' is for ${image.architecture}, and guests here are ${architecture}`,
    { hint: `pull the other variant under another name: --platform linux/${architecture} --name NAME` },
  );
}

async function pull(
  installation: Installation,
  wanted: string,
  { registry, ...task }: TaskOptions & { readonly registry?: RegistryOptions },
): Promise<ImageRecord> {
  const { pullImage } = await import("./pull.ts");
  return await pullImage(installation, {
    ...registry,
    reference: wanted,
    orExisting: true,
    ...(task.signal === undefined ? {} : { signal: task.signal }),
    ...(task.onProgress === undefined ? {} : { onProgress: task.onProgress }),
  });
}
