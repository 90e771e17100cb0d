import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { type Installation, newId } from "../../installation.ts";
import type { ImageRecord } from "../../state/images.ts";
import type { Operation } from "../../state/journal.ts";
import type { ReadableDisk } from "../../storage/storage.ts";
import type { PushOptions, PushReport, TaskOptions } from "../../types.ts";
import { openDisk } from "../disk/open-disk.ts";
import { getImage, leaseOf } from "../names.ts";
import { parsePlatform } from "../oci/platform.ts";
import { placesOf } from "../origins/places.ts";
import { canonicalName, parseReference, type RegistryReference } from "../reference.ts";
import { certificateFolder } from "../skopeo/certificates.ts";
import { layoutName, pushLayout } from "../skopeo/skopeo.ts";
import { makeWorkplace, removeWorkplace } from "../workplace.ts";
import { type DiskFacts, writeArtifact } from "./write.ts";

type Disk = Pick<ReadableDisk, "path" | "format" | "sizeBytes">;

/** Throws `invalid-reference` for what names no place in a registry that can be written to. */
export function targetOf(text: string): RegistryReference {
  const reference = parseReference(text);
  if (reference.transport === "docker" && reference.digest === undefined) return reference;
  throw new EmberError("invalid-reference", "a disk is pushed to a tag in a registry", {
    hint: "write REGISTRY/NAME:TAG",
  });
}

/**
 * Sends a disk that nobody changes meanwhile. Post-condition: the registry has it whole under the reference, and nothing is
 * left here; or an error, and the reference is what it was. `workplaceId` is in the caller's journal.
 */
export async function pushDisk(
  { paths }: Installation,
  disk: Disk,
  facts: DiskFacts,
  options: PushOptions & TaskOptions,
  workplaceId: string,
): Promise<PushReport> {
  const target = targetOf(options.reference);
  const { registry, repository, tag } = target;
  const folder = await makeWorkplace(paths.stateDir, workplaceId);
  try {
    await using reader = await openDisk(disk);
    const digest = await writeArtifact(reader, facts, join(folder, layoutName), options);
    options.onProgress?.({ step: `sending to ${registry}` });
    const { certificateFile: file } = options;
    const certificates = file === undefined ? undefined : certificateFolder(paths.stateDir, file);
    const [place] = placesOf(target, { ...options, mirrors: [], certificates });
    const skopeoTarget = {
      what: canonicalName(target),
      registry,
      isPushed: true,
      source: `docker://${registry}/${repository}:${tag ?? "latest"}`,
      platform: parsePlatform(undefined),
      tlsVerify: place?.tlsVerify ?? true,
      anonymous: place?.anonymous ?? false,
      certificates,
    };
    await pushLayout(skopeoTarget, folder, options.signal);
    return { reference: canonicalName(target), digest };
  } finally {
    await removeWorkplace(paths.stateDir, workplaceId);
  }
}

/** See ImageApi.push. */
export async function pushImage(
  installation: Installation,
  name: string,
  options: PushOptions & TaskOptions,
): Promise<PushReport> {
  targetOf(options.reference);
  const image = getImage(installation.db, name);
  const cloneId = newId();
  let report: PushReport | undefined;
  const operation = pushOperation(async (disk) => {
    const { architecture, config } = image;
    report = await pushDisk(installation, disk, { architecture, config, base: null }, options, cloneId);
  }, image);
  await installation.holding(
    [leaseOf(image.name)],
    `ember image push ${image.name}`,
    () =>
      installation.journal.execute(
        operation,
        [leaseOf(image.name)],
        installation,
        { imageId: image.id, vmId: cloneId },
        options.signal,
      ),
    { signal: options.signal },
  );
  if (report === undefined) throw new EmberError("internal", "nothing was pushed");
  return report;
}

/** Reads an image's disk by way of a clone, which is gone in the end. `data`: `imageId`, and `vmId` of the clone. */
export function pushOperation(
  send?: (disk: Disk) => Promise<void>,
  image?: ImageRecord,
): Operation<Installation> {
  const remove = async (installation: Installation, vmId: string | undefined): Promise<void> => {
    if (vmId !== undefined) await (await installation.storage()).removeVm({ vmId });
  };
  return {
    kind: "image.push",
    recovery: "undo",
    steps: [
      {
        name: "send",
        run: async (installation, data) => {
          if (send === undefined || image === undefined)
            throw new EmberError("internal", "a disk is only pushed by the command that began it");
          await using disk = await cloneOfImage(installation, image, data["vmId"] ?? "");
          await send(disk);
          return undefined;
        },
        undo: async (installation, data) => {
          await remove(installation, data["vmId"]);
          await removeWorkplace(installation.paths.stateDir, data["vmId"] ?? "none");
        },
      },
    ],
  };
}

/** An image's disk, to be read; `vmId` is the clone's, which goes when it is disposed. */
export async function cloneOfImage(
  installation: Installation,
  image: ImageRecord,
  vmId: string,
): Promise<ReadableDisk> {
  const storage = await installation.storage();
  const sizeBytes = image.diskBytes;
  const fullCopy = !storage.capabilities.clones;
  await storage.cloneImage({ imageId: image.id }, { vmId }, { sizeBytes, fullCopy });
  const location = await storage.activate({ vmId });
  return {
    ...location,
    sizeBytes,
    [Symbol.asyncDispose]: async () => {
      await storage.deactivate({ vmId });
      await storage.removeVm({ vmId });
    },
  };
}
