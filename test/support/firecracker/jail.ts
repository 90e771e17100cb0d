import { lstatSync, readlinkSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * Where the paths that a client names are. Jailed, the double's root holds its own programs, read-only, and the jail
 * lies in a folder of it: the paths of the client, and symbolic links on the way, mean that folder.
 */
export class Jail {
  readonly #root: string | undefined;

  constructor(root: string | undefined) {
    this.#root = root;
  }

  /** The path as the double itself opens it. Never leaves the jail. */
  resolve(path: string): string {
    const root = this.#root;
    if (root === undefined) return path;
    let inside = resolve("/", path);
    for (let links = 0; links < 40; links++) {
      const next = followOneLink(root, inside);
      if (next === undefined) break;
      inside = next;
    }
    return join(root, inside);
  }
}

/** The path without its first symbolic link, undefined when it has none. */
function followOneLink(root: string, path: string): string | undefined {
  const parts = path.split("/").filter((part) => part !== "");
  for (let count = 1; count <= parts.length; count++) {
    const here = `/${parts.slice(0, count).join("/")}`;
    if (!isLink(join(root, here))) continue;
    const target = readlinkSync(join(root, here));
    return resolve("/", parts.slice(0, count - 1).join("/"), target, ...parts.slice(count));
  }
  return undefined;
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false; // what opens it says why it is not there
  }
}
