import type { Extent } from "../inode.ts";
import type { Ext4Disk } from "./disk.ts";
import { type Ext4Inode, flags, hasFlag } from "./inode.ts";
import { mappingOf } from "./mapping.ts";
import { inlineRest } from "./xattrs.ts";

/** A file's content: where it lies, or for short ones that stand in the inode, what it is. */
export type Content = { readonly inline: Buffer } | { readonly extents: readonly Extent[] };

export async function contentOf(disk: Ext4Disk, inode: Ext4Inode): Promise<Content> {
  if (!hasFlag(inode, flags.inlineData)) return { extents: await mappingOf(disk, inode) };
  const bytes = Buffer.concat([inode.body, await inlineRest(disk, inode)]);
  const inline = Buffer.alloc(Math.min(inode.sizeBytes, bytes.length));
  bytes.copy(inline);
  return { inline };
}

/** Bytes of a content; holes, and what lies behind its end, are zeros. */
export async function readContent(
  disk: Ext4Disk,
  content: Content,
  offset: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  if ("inline" in content) {
    content.inline.copy(bytes, 0, offset, offset + length);
    return bytes;
  }
  const { blockBytes } = disk.superblock;
  for (const { logical, physical, length: blocks } of within(content.extents, offset / blockBytes)) {
    const start = Math.max(offset, logical * blockBytes);
    const end = Math.min(offset + length, (logical + blocks) * blockBytes);
    if (logical * blockBytes >= offset + length) break;
    const from = physical * blockBytes + (start - logical * blockBytes);
    (await disk.data.read(from, end - start)).copy(bytes, start - offset);
  }
  return bytes;
}

/** The extents from the one on that holds `block`, or comes after it. */
function* within(extents: readonly Extent[], block: number): Generator<Extent> {
  let low = 0;
  let high = extents.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const extent = extents[middle];
    if (extent !== undefined && extent.logical + extent.length <= block) low = middle + 1;
    else high = middle;
  }
  for (let index = low; index < extents.length; index += 1) {
    const extent = extents[index];
    if (extent !== undefined) yield extent;
  }
}
