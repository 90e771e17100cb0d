import type { Attributes } from "../ext4/tree.ts";

/** As many as are remembered: files of one package have few among them. */
const mostShared = 4096;
const noXattrs: Attributes["xattrs"] = new Map();

/** Equal attributes as one object: an image has a hundred thousand files, and their names are all that need memory. */
export class SharedAttributes {
  readonly #known = new Map<string, Attributes>();

  share(attributes: Attributes): Attributes {
    if (attributes.xattrs.size > 0) return attributes;
    const { permissions, uid, gid, modified } = attributes;
    const key = `${permissions} ${uid} ${gid} ${modified.seconds} ${modified.nanoseconds}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size === mostShared) this.#known.clear();
    const shared = { ...attributes, xattrs: noXattrs };
    this.#known.set(key, shared);
    return shared;
  }
}
