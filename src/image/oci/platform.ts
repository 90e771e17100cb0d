import { EmberError } from "../../errors/ember-error.ts";
import { type GuestArchitecture, hostArchitecture } from "../../guest/binary/architecture.ts";
import { shown } from "../reference.ts";
import type { Descriptor } from "./schemas.ts";

/** Which of an image's variants. Guests run Linux. */
export interface Platform {
  readonly os: "linux";
  readonly architecture: GuestArchitecture;
}

const architectures: Readonly<Record<string, GuestArchitecture>> = {
  amd64: "amd64",
  x86_64: "amd64",
  arm64: "arm64",
  aarch64: "arm64",
};

/** What `--platform` says; by default what guests on this host are. Throws `unsupported` for all others. */
export function parsePlatform(text: string | undefined): Platform {
  if (text === undefined) return { os: "linux", architecture: hostArchitecture() };
  const [os, name = "", variant = "v8", ...rest] = text.split("/");
  const architecture = architectures[name];
  const known = rest.length === 0 && os === "linux" && (variant === "v8" || variant === "");
  if (known && architecture !== undefined) return { os: "linux", architecture };
  throw new EmberError("unsupported", `no guest here can be of the platform '${shown(text)}'`, {
    hint: "use linux/amd64 or linux/arm64",
  });
}

export function platformText(platform: { readonly os: string; readonly architecture: string }): string {
  return shown(`${platform.os}/${platform.architecture}`);
}

/** Build systems put signatures and records of the build beside the images, as images for no platform. */
export function isAttestation(descriptor: Descriptor): boolean {
  return (
    descriptor.annotations["vnd.docker.reference.type"] !== undefined ||
    (descriptor.platform?.os === "unknown" && descriptor.platform.architecture === "unknown")
  );
}

/** The entries of an index that may be for the platform, the best first: those that say nothing come last. */
export function entriesFor(entries: readonly Descriptor[], wanted: Platform): Descriptor[] {
  const images = entries.filter((entry) => !isAttestation(entry));
  const matching = images.filter(
    ({ platform }) =>
      platform?.os === wanted.os &&
      architectures[platform.architecture] === wanted.architecture &&
      ["", "v8"].includes(platform.variant),
  );
  return [...matching, ...images.filter(({ platform }) => platform === undefined)];
}

/** Whether a configuration is for the platform: an index may well lie about it. */
export function isForPlatform(
  config: { readonly os: string; readonly architecture: string },
  wanted: Platform,
): boolean {
  return config.os === wanted.os && architectures[config.architecture] === wanted.architecture;
}

/** `image-not-found`: the image is there, but not for this platform. */
export function noSuchPlatform(what: string, wanted: Platform, offered: readonly string[]): EmberError {
  const others = [...new Set(offered)].slice(0, 12).join(", ");
  return new EmberError(
    "image-not-found",
    `'${shown(what)}' has no variant for ${platformText(wanted)}${others === "" ? "" : `; it has ${others}`}`,
    { hint: "choose another image, or another variant with --platform" },
  );
}
