/**
 * The form of LZ4 that kernels are packed in ("lz4 -l"): the magic number, then blocks of at most 8 MiB, each after its
 * packed size. Our own decoder, since hosts seldom have the tool.
 */

const magic = 0x184c2102;
const blockLimit = 8 * 1024 ** 2;

export const isLz4Legacy = (bytes: Buffer): boolean => bytes.length >= 8 && bytes.readUInt32LE(0) === magic;

/** Exactly `size` unpacked bytes, undefined when the data is broken or unpacks to another size. */
export function unpackLz4Legacy(packed: Buffer, size: number): Buffer | undefined {
  const output = Buffer.alloc(size);
  let filled = 0;
  for (let at = 4; at < packed.length; ) {
    if (at + 4 > packed.length) return undefined;
    const blockSize = packed.readUInt32LE(at);
    at += 4;
    if (blockSize === magic) continue; // archives may follow each other
    if (at + blockSize > packed.length) return undefined;
    const room = output.subarray(filled, Math.min(size, filled + blockLimit));
    const written = unpackBlock(packed.subarray(at, at + blockSize), room);
    if (written === undefined) return undefined;
    filled += written;
    at += blockSize;
  }
  return filled === size ? output : undefined;
}

/** One block (lz4_Block_format.md). Returns the bytes written, undefined when they would not fit or the block is broken. */
function unpackBlock(input: Buffer, output: Buffer): number | undefined {
  let from = 0;
  let to = 0;
  /** The length that goes on in further bytes while they are 255. */
  const lengthAfter = (nibble: number): number => {
    let length = nibble;
    if (nibble !== 15) return length;
    for (;;) {
      const byte = input[from++];
      if (byte === undefined) return Number.NaN;
      length += byte;
      if (byte !== 255) return length;
    }
  };
  while (from < input.length) {
    const token = input[from++] ?? 0;
    const literals = lengthAfter(token >> 4);
    if (!(from + literals <= input.length && to + literals <= output.length)) return undefined;
    input.copy(output, to, from, from + literals);
    from += literals;
    to += literals;
    if (from === input.length) return to; // the last sequence is literals only
    if (from + 2 > input.length) return undefined;
    const distance = input.readUInt16LE(from);
    from += 2;
    const length = lengthAfter(token & 15) + 4;
    if (distance === 0 || distance > to || !(to + length <= output.length)) return undefined;
    copyMatch(output, to, distance, length);
    to += length;
  }
  return undefined;
}

/** Repeats what was written `distance` bytes ago; a match may overlap itself. */
function copyMatch(output: Buffer, to: number, distance: number, length: number): void {
  if (distance >= length) {
    output.copyWithin(to, to - distance, to - distance + length);
    return;
  }
  for (let index = 0; index < length; index++) output[to + index] = output[to + index - distance] ?? 0;
}
