import { EmberError } from "../../errors/ember-error.ts";
import type { TaskOptions } from "../../types.ts";
import { mirrored } from "../mirror.ts";
import type { RegistryReference } from "../reference.ts";

/** How registries are reached. */
export interface RegistryAccess {
  /** Default true. */
  readonly tlsVerify?: boolean | undefined;
  /** Nothing is encrypted, so no login is sent either, except to this host. */
  readonly plainHttp?: boolean | undefined;
  /** Folder of certificates that are trusted as well. */
  readonly certificates?: string | undefined;
  /** Asked before the image's own registry, in this order. */
  readonly mirrors?: readonly string[] | undefined;
}

/** One registry that may have the image. */
export interface Place {
  readonly reference: RegistryReference;
  readonly tlsVerify: boolean;
  readonly anonymous: boolean;
  readonly certificates: string | undefined;
}

/**
 * The mirrors in turn, then the image's own registry. What weakens trust holds for the mirrors when there are some: else
 * whoever keeps a mirror from answering could take the place of the registry itself.
 */
export function placesOf(reference: RegistryReference, access: RegistryAccess): readonly Place[] {
  const { certificates, mirrors = [] } = access;
  const trusted = (where: RegistryReference): Place => ({
    reference: where,
    tlsVerify: true,
    anonymous: false,
    certificates,
  });
  const asAsked = (where: RegistryReference): Place => ({
    ...trusted(where),
    tlsVerify: (access.tlsVerify ?? true) && access.plainHttp !== true,
    anonymous: access.plainHttp === true && !isLoopback(where.registry),
  });
  if (mirrors.length === 0) return [asAsked(reference)];
  return [...mirrors.map((mirror) => asAsked(mirrored(reference, mirror))), trusted(reference)];
}

function isLoopback(registry: string): boolean {
  return /^(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?$/.test(registry);
}

/**
 * What `work` gives for the first place for which it does not fail; each of the others is told. Throws the failure of the
 * last one, with those before it; at once when another place would change nothing.
 */
export async function firstOf<P extends { readonly registry: string }, T>(
  places: readonly P[],
  task: TaskOptions,
  work: (place: P, index: number) => Promise<T>,
): Promise<T> {
  const failures: string[] = [];
  for (const [index, place] of places.entries()) {
    try {
      return await work(place, index);
    } catch (error) {
      if (!(error instanceof EmberError) || !anotherMayHelp.has(error.code)) throw error;
      if (index === places.length - 1) throw withOthers(error, failures);
      failures.push(error.message);
      task.onProgress?.({ step: `'${place.registry}' failed, asking the next` });
    }
  }
  throw new EmberError("internal", "there is no registry to ask");
}

const anotherMayHelp: ReadonlySet<string> = new Set([
  "registry-failed",
  "image-not-found",
  "verification-failed",
  "timeout",
]);

function withOthers(error: EmberError, failures: readonly string[]): EmberError {
  if (failures.length === 0) return error;
  return new EmberError(error.code, `${error.message}; before that: ${failures.join("; ")}`, {
    cause: error,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
