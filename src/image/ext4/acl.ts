const tag = { owner: 1, user: 2, group: 4, namedGroup: 8, mask: 0x10, other: 0x20 } as const;

export interface ConvertedAcl {
  /** ext4's form; undefined when the mode says all that the list does. */
  readonly value: Buffer | undefined;
  /** What the list makes of the mode's lowest nine bits, as setting it on a mounted file system would. */
  readonly permissions: number;
}

/**
 * Turns an access control list from the form in which the kernel hands it out (`system.posix_acl_*`: version 2, 8 bytes
 * an entry) into ext4's own (version 1, without ids where there are none). Undefined when it is no valid list.
 */
export function convertAcl(posix: Buffer): ConvertedAcl | undefined {
  if (posix.length < 4 || (posix.length - 4) % 8 !== 0 || posix.readUInt32LE(0) !== 2) return undefined;
  const parts: Buffer[] = [Buffer.of(1, 0, 0, 0)];
  const bits = new Map<number, number>();
  let lastTag = 0;
  let named = false;
  for (let at = 4; at < posix.length; at += 8) {
    const kind = posix.readUInt16LE(at);
    const permissions = posix.readUInt16LE(at + 2);
    const isNamed = kind === tag.user || kind === tag.namedGroup;
    const known =
      isNamed || kind === tag.owner || kind === tag.group || kind === tag.mask || kind === tag.other;
    if (!known || permissions > 7 || kind < lastTag || (kind === lastTag && !isNamed)) return undefined;
    lastTag = kind;
    named ||= isNamed;
    if (!isNamed) bits.set(kind, permissions);
    parts.push(posix.subarray(at, at + (isNamed ? 8 : 4)));
  }
  const owner = bits.get(tag.owner);
  const group = bits.get(tag.group);
  const other = bits.get(tag.other);
  const mask = bits.get(tag.mask);
  if (owner === undefined || group === undefined || other === undefined) return undefined;
  if (named && mask === undefined) return undefined;
  const isMinimal = !named && mask === undefined;
  return {
    value: isMinimal ? undefined : Buffer.concat(parts),
    permissions: (owner << 6) | ((mask ?? group) << 3) | other,
  };
}
