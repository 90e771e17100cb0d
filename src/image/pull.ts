import type { Installation } from "../installation.ts";
import type { ImageRecord } from "../state/images.ts";
import type { PullImageOptions, TaskOptions } from "../types.ts";
import { makeImage } from "./make.ts";
import { parsePlatform } from "./oci/platform.ts";
import type { ImageOrigin } from "./origins/origin.ts";
import { canonicalName, checkImageName, type ImageReference, parseReference } from "./reference.ts";

/** See ImageApi.pull; with `orExisting` an image of that name will do as it is. */
export async function pullImage(
  installation: Installation,
  options: PullImageOptions & TaskOptions & { readonly orExisting?: boolean },
): Promise<ImageRecord> {
  const reference = parseReference(options.reference);
  const name = options.name === undefined ? canonicalName(reference) : checkImageName(options.name);
  const origin = await originOf(installation, reference, options);
  return await makeImage(installation, { name, origin, orExisting: options.orExisting ?? false }, options);
}

async function originOf(
  installation: Installation,
  reference: ImageReference,
  options: PullImageOptions,
): Promise<ImageOrigin> {
  const platform = parsePlatform(options.platform);
  if (reference.transport === "docker") {
    const { registryOrigin } = await import("./origins/registry.ts");
    const { artifactFetcher } = await import("./artifact/fetch.ts");
    const { certificateFolder } = await import("./skopeo/certificates.ts");
    const { certificateFile: file, mirrors, tlsVerify, plainHttp } = options;
    const certificates =
      file === undefined ? undefined : certificateFolder(installation.paths.stateDir, file);
    const artifacts = artifactFetcher(installation);
    return registryOrigin(reference, { platform, mirrors, tlsVerify, plainHttp, certificates, artifacts });
  }
  const { archiveOrigin, ociOrigin } = await import("./origins/files.ts");
  return reference.transport === "oci" ? ociOrigin(reference, platform) : archiveOrigin(reference, platform);
}
