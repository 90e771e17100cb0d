import type { Attributes } from "../ext4/inode.ts";

/** As many as are remembered: files of one package have few among them. */
const mostShared = 4096;
const noXattrs: Attributes["xattrs"] = new Map();

/** Equal attributes as one object: an image has a hundred thousand files, and their names are all that need memory. */
export class SharedAttributes {
  /** By their seconds, which tell most of them apart. */
  readonly #known = new Map<number, Attributes[]>();
  #count = 0;

  share(attributes: Attributes): Attributes {
    if (attributes.xattrs.size > 0) return attributes;
    const { seconds } = attributes.modified;
    const alike = this.#known.get(seconds);
    if (alike !== undefined) for (const known of alike) if (isEqual(known, attributes)) return known;
    return this.#remember({ ...attributes, xattrs: noXattrs }, seconds);
  }

  #remember(attributes: Attributes, seconds: number): Attributes {
    if (this.#count++ === mostShared) {
      this.#known.clear();
      this.#count = 1;
    }
    const alike = this.#known.get(seconds);
    if (alike === undefined) this.#known.set(seconds, [attributes]);
    else alike.push(attributes);
    return attributes;
  }
}

/** But for extended attributes. */
function isEqual(a: Attributes, b: Attributes): boolean {
  return (
    a.permissions === b.permissions &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.modified.seconds === b.modified.seconds &&
    a.modified.nanoseconds === b.modified.nanoseconds
  );
}
