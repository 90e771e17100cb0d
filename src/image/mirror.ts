import { EmberError } from "../errors/ember-error.ts";
import { parseReference, type RegistryReference, shown } from "./reference.ts";

/** The same image where a mirror has it: `mirror` is "HOST[:PORT][/PREFIX]". Throws `invalid-reference`. */
export function mirrored(reference: RegistryReference, mirror: string): RegistryReference {
  const place = parsePlace(mirror);
  if (place === undefined) {
    throw new EmberError("invalid-reference", `'${shown(mirror)}' is not a mirror`, {
      hint: "write it as HOST[:PORT][/PREFIX], without http://: mirror.example:5000/hub",
    });
  }
  const prefix = place.repository === stem ? "" : place.repository.slice(0, -stem.length);
  return { ...reference, registry: place.registry, repository: `${prefix}${reference.repository}` };
}

/** Stands for the image's own name while the mirror's is read as a reference is. */
const stem = "image";

function parsePlace(mirror: string): RegistryReference | undefined {
  const [host = ""] = mirror.split("/");
  // Without this it would be a part of a name on Docker Hub.
  if (!/[.:]/.test(host) && host !== "localhost") return undefined;
  if (/[@\s]/.test(mirror) || mirror.includes("://")) return undefined;
  try {
    const place = parseReference(`docker://${mirror}/${stem}`);
    return place.transport === "docker" ? place : undefined;
  } catch (error) {
    if (error instanceof EmberError) return undefined; // told with what a mirror looks like
    throw error;
  }
}
