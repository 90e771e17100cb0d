import type { ImageApi } from "../api.ts";
import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { findImageById, type ImageRecord, listImages } from "../state/images.ts";
import { vmsOfImage } from "../state/vms.ts";
import type { ImageDetails, ImageSummary, TaskOptions } from "../types.ts";
import { getImage, leaseOf } from "./names.ts";
import { checkImageName } from "./reference.ts";

export interface ImageApiOptions {
  /** Stops and deletes a VM; one that is gone already is no error. */
  readonly deleteVm: (name: string) => Promise<void>;
}

/** What one can do with an installation's images. */
export function createImageApi(installation: Installation, options: ImageApiOptions): ImageApi {
  const { db } = installation;
  return {
    pull: async (request) => {
      const { pullImage } = await import("./pull.ts");
      return toSummary(await pullImage(installation, request));
    },
    bootstrap: async (distribution, request = {}) => {
      const { bootstrapImage } = await import("./bootstrap/bootstrap.ts");
      return toSummary(await bootstrapImage(installation, distribution, request));
    },
    import: async (file, request) => {
      const { makeImage } = await import("./make.ts");
      const { localOrigin } = await import("./origins/local.ts");
      const name = checkImageName(request.name);
      const origin = await localOrigin(file, request.signal);
      return toSummary(await makeImage(installation, { name, origin }, request));
    },
    build: async (context, request) => {
      const { makeImage } = await import("./make.ts");
      const { buildOrigin } = await import("./build/origin.ts");
      const name = checkImageName(request.name);
      return toSummary(
        await makeImage(
          installation,
          { name, origin: buildOrigin({ ...request, context }, installation.notice) },
          request,
        ),
      );
    },
    push: async (...args) => (await import("./artifact/push.ts")).pushImage(installation, ...args),
    list: async () => listImages(db).map(toSummary),
    inspect: async (name) => toDetails(installation, getImage(db, name)),
    delete: (name, request = {}) => deleteImage(installation, name, options, request),
    prune: async (request = {}) => {
      const { pruneImages } = await import("./prune.ts");
      return pruneImages(
        installation,
        (name, task) => deleteImage(installation, name, options, task),
        request,
      );
    },
  };
}

async function deleteImage(
  installation: Installation,
  wanted: string,
  { deleteVm }: ImageApiOptions,
  { force, ...task }: { readonly force?: boolean } & TaskOptions,
): Promise<void> {
  const { removeUnused } = await import("./make.ts");
  const { db } = installation;
  const { id, name } = getImage(db, wanted);
  const work = async (): Promise<void> => {
    for (const vm of force === true ? vmsOfImage(db, id) : []) {
      task.onProgress?.({ step: `deleting ${vm}` });
      await deleteVm(vm);
    }
    task.signal?.throwIfAborted();
    if (await removeUnused(installation, id)) return;
    if (findImageById(db, id) !== undefined) throw hasVms(name, vmsOfImage(db, id));
  };
  await installation.holding([leaseOf(name)], `ember image delete ${name}`, work, { signal: task.signal });
}

function hasVms(name: string, vms: readonly string[]): EmberError {
  const more = vms.length > 10 ? ` and ${vms.length - 10} more` : "";
  return new EmberError(
    "has-dependants",
    `VMs were made from image '${name}': ${vms.slice(0, 10).join(", ")}${more}`,
    { hint: "delete them first, or all together with --force" },
  );
}

function toSummary(image: ImageRecord): ImageSummary {
  const { id, name, digest, architecture, fileSystem, diskBytes, usedBytes, createdAt, lastUsedAt } = image;
  return { id, name, digest, architecture, fileSystem, diskBytes, usedBytes, createdAt, lastUsedAt };
}

function toDetails(installation: Installation, image: ImageRecord): ImageDetails {
  const { source, config } = image;
  return { ...toSummary(image), source, config, vms: vmsOfImage(installation.db, image.id) };
}
