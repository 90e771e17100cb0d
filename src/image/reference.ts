import { resolve } from "node:path";
import { EmberError } from "../errors/ember-error.ts";

/** An image in a registry. `digest` decides when there is one: a tag beside it says nothing more. */
export interface RegistryReference {
  readonly transport: "docker";
  /** Host, with its port if it has one: "docker.io", "localhost:5000". */
  readonly registry: string;
  /** "library/nginx" */
  readonly repository: string;
  /** Undefined exactly when there is a digest. */
  readonly tag: string | undefined;
  /** "sha256:" and 64 hex digits. */
  readonly digest: string | undefined;
}

/** An image in a folder of the OCI image layout, or in what `docker save` writes. */
export interface FileReference {
  /** "oci-archive": an OCI layout in a tar archive; only what `image import` finds out by itself. */
  readonly transport: "oci" | "docker-archive" | "oci-archive";
  /** Absolute. */
  readonly path: string;
  /** Which of several images in it: a tag, or (docker-archive) a Docker reference. */
  readonly tag: string | undefined;
}

export type ImageReference = RegistryReference | FileReference;

const defaultRegistry = "docker.io";
const defaultTag = "latest";
/** Docker's own limit on registry and repository together. */
const nameLimit = 255;
const textLimit = 4096;

const hostLabel = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
const registryForm = new RegExp(
  `^(?:${hostLabel}(?:\\.${hostLabel})*|\\[[0-9a-f:]{2,39}\\])(?::[0-9]{1,5})?$`,
);
const componentForm = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const tagForm = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const digestForm = /^sha256:[0-9a-f]{64}$/;

/**
 * Reads what a user may write for an image: what Docker takes ("nginx", "ghcr.io/a/b:1", "name@sha256:..."),
 * `oci:FOLDER[:TAG]` or `docker-archive:FILE[:REF]`. Throws `invalid-reference` with the reason.
 */
export function parseReference(text: string): ImageReference {
  if (text.length > textLimit) throw invalid(text, `it is longer than ${textLimit} characters`);
  if (/\p{Cc}/u.test(text)) throw invalid(text, "it holds control characters");
  const transport = /^(oci|docker-archive|docker):/.exec(text)?.[1];
  // "docker:24" is Docker's own image; only with slashes is it the way to say "in a registry".
  if (transport === "docker" && text.startsWith("docker://")) return parseRegistry(text, text.slice(9));
  if (transport === "oci") return parseOci(text, text.slice(4));
  if (transport === "docker-archive") return parseArchive(text, text.slice(15));
  return parseRegistry(text, text);
}

/** The one name of what a reference stands for: equal exactly when two references mean the same. */
export function canonicalName(reference: ImageReference): string {
  if (reference.transport === "docker") {
    const { registry, repository, tag, digest } = reference;
    const which = digest === undefined ? `:${tag ?? defaultTag}` : `@${digest}`;
    return `${registry}/${repository}${which}`;
  }
  const { transport, path, tag } = reference;
  return `${transport}:${path}${tag === undefined ? "" : `:${tag}`}`;
}

/** Throws `invalid-reference` unless `text` can be the name that an image is given: as VMs are named, or a reference. */
export function checkImageName(text: string): string {
  const reference = parseReference(text);
  if (reference.transport !== "docker") throw invalid(text, "a name cannot be a path");
  return isPlainName(text) ? text : canonicalName(reference);
}

/** Whether `text` has the form of VM names, which an image may have instead of a reference. */
export function isPlainName(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,62}$/.test(text);
}

/** Whether what a user wrote means the image of that name: the name itself, or a reference to the same. */
export function imageNamesMatch(wanted: string, name: string): boolean {
  return wanted === name || canonicalIfReference(wanted) === name;
}

/** The names under which an image may be recorded that a user wrote as `wanted`, the most literal first. */
export function candidateNames(wanted: string): readonly string[] {
  const canonical = canonicalIfReference(wanted);
  return canonical === undefined || canonical === wanted ? [wanted] : [wanted, canonical];
}

function canonicalIfReference(text: string): string | undefined {
  try {
    return canonicalName(parseReference(text));
  } catch (error) {
    if (error instanceof EmberError) return undefined; // then it can only be a name as it stands
    throw error;
  }
}

function parseRegistry(text: string, name: string): RegistryReference {
  if (/\s/.test(name)) throw invalid(text, "it holds spaces");
  if (name.startsWith("-")) throw invalid(text, "it begins with a dash");
  if (name === "") throw invalid(text, "it is empty");
  const at = name.indexOf("@");
  const digest = at < 0 ? undefined : name.slice(at + 1);
  if (digest !== undefined && !digestForm.test(digest)) {
    throw invalid(text, "after '@' there must be 'sha256:' and 64 hexadecimal digits");
  }
  const beforeDigest = at < 0 ? name : name.slice(0, at);
  const colon = beforeDigest.lastIndexOf(":");
  // A colon before the last slash belongs to the registry's port.
  const hasTag = colon > beforeDigest.lastIndexOf("/");
  const tag = hasTag ? beforeDigest.slice(colon + 1) : defaultTag;
  if (!tagForm.test(tag)) {
    throw invalid(
      text,
      `'${shown(tag)}' is not a tag: up to 128 letters, digits, '_', '.' and '-', not beginning with '.' or '-'`,
    );
  }
  const place = splitRegistry(text, hasTag ? beforeDigest.slice(0, colon) : beforeDigest);
  return { transport: "docker", ...place, tag: digest === undefined ? tag : undefined, digest };
}

function splitRegistry(text: string, name: string): { registry: string; repository: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  // As Docker tells them apart: a registry has a dot or a port, or is this host.
  const isRegistry = /[.:]/.test(first) || first === "localhost";
  const registry = canonicalRegistry(isRegistry ? first : defaultRegistry);
  const path = isRegistry ? name.slice(slash + 1) : name;
  if (!registryForm.test(registry) || Number(/:([0-9]+)$/.exec(registry)?.[1] ?? 1) > 65535) {
    throw invalid(
      text,
      `'${shown(first)}' is not a registry: a host name in lower case, with or without a port`,
    );
  }
  const repository = registry === defaultRegistry && !path.includes("/") ? `library/${path}` : path;
  for (const component of path.split("/")) checkComponent(text, component);
  if (registry.length + repository.length + 1 > nameLimit) {
    throw invalid(text, `the name is longer than ${nameLimit} characters`);
  }
  return { registry, repository };
}

/** Docker Hub has more names than one. */
function canonicalRegistry(registry: string): string {
  return registry === "index.docker.io" || registry === "registry-1.docker.io" ? defaultRegistry : registry;
}

function checkComponent(text: string, component: string): void {
  if (componentForm.test(component)) return;
  if (component === "") throw invalid(text, "a part of its name is empty");
  if (component.includes("..")) throw invalid(text, "it holds '..'");
  if (/[A-Z]/.test(component)) throw invalid(text, "names of images are in lower case");
  throw invalid(
    text,
    `'${shown(component)}' is not a part of a name: lower-case letters and digits, with '.', '_' or '-' between them`,
  );
}

function parseOci(text: string, rest: string): FileReference {
  const colon = rest.lastIndexOf(":");
  const tag = rest.slice(colon + 1);
  // A colon may also belong to the path: then what follows it is no tag, as a rule for its slashes.
  if (colon > 0 && tagForm.test(tag)) return fileReference(text, "oci", rest.slice(0, colon), tag);
  return fileReference(text, "oci", rest, undefined);
}

function parseArchive(text: string, rest: string): FileReference {
  for (let colon = rest.indexOf(":"); colon > 0; colon = rest.indexOf(":", colon + 1)) {
    const name = rest.slice(colon + 1);
    if (!isRegistryReference(name)) continue;
    return fileReference(text, "docker-archive", rest.slice(0, colon), name);
  }
  return fileReference(text, "docker-archive", rest, undefined);
}

function isRegistryReference(name: string): boolean {
  try {
    parseRegistry(name, name);
    return true;
  } catch (error) {
    if (error instanceof EmberError) return false; // the colon belongs to the path
    throw error;
  }
}

function fileReference(
  text: string,
  transport: FileReference["transport"],
  path: string,
  tag: string | undefined,
): FileReference {
  if (path === "") throw invalid(text, `there is no path after '${transport}:'`);
  return { transport, path: resolve(path), tag };
}

function invalid(text: string, reason: string): EmberError {
  return new EmberError("invalid-reference", `'${shown(text)}' is not an image reference: ${reason}`, {
    hint: "write it as 'nginx', 'ghcr.io/owner/name:tag', 'name@sha256:...', 'oci:FOLDER[:TAG]' or 'docker-archive:FILE'",
  });
}

/** Text from outside as an error may show it: one line of bounded length. */
export function shown(text: string): string {
  const clean = text.replace(/\p{Cc}/gu, "?");
  return clean.length > 120 ? `${clean.slice(0, 117)}...` : clean;
}
