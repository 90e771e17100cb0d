import type { Ext4Disk } from "../../image/ext4/reader/disk.ts";
import { deviceOf, type Ext4Inode } from "../../image/ext4/reader/inode.ts";
import { targetOf } from "../../image/ext4/reader/symlink.ts";
import { xattrsOf } from "../../image/ext4/reader/xattrs.ts";
import type { FileChange } from "../../types.ts";
import { sameContent } from "./same-content.ts";

export interface Disks {
  readonly before: Ext4Disk;
  readonly after: Ext4Disk;
}

const permissionBits = 0o7777;

/** What differs between the inodes that one path leads to. */
export class Comparison {
  readonly #disks: Disks;
  readonly #signal: AbortSignal | undefined;
  /** Of inodes with several names, so that their content is read once. */
  readonly #linked = new Map<string, readonly string[]>();

  constructor(disks: Disks, signal: AbortSignal | undefined) {
    this.#disks = disks;
    this.#signal = signal;
  }

  async changeOf(
    path: string,
    before: Ext4Inode | undefined,
    after: Ext4Inode | undefined,
  ): Promise<FileChange | undefined> {
    const sizes = { sizeBefore: sizeOf(before), sizeAfter: sizeOf(after) };
    if (after === undefined) {
      return before && { change: "removed", path, type: before.kind, aspects: [], ...sizes };
    }
    if (before === undefined) return { change: "added", path, type: after.kind, aspects: [], ...sizes };
    const aspects = await this.#aspects(before, after);
    return aspects.length === 0
      ? undefined
      : { change: "modified", path, type: after.kind, aspects, ...sizes };
  }

  async #aspects(before: Ext4Inode, after: Ext4Inode): Promise<readonly string[]> {
    if (before.links === 1 || after.links === 1 || after.kind === "directory")
      return await this.#compare(before, after);
    const key = `${before.number} ${after.number}`;
    const known = this.#linked.get(key);
    if (known !== undefined) return known;
    const aspects = await this.#compare(before, after);
    this.#linked.set(key, aspects);
    return aspects;
  }

  async #compare(before: Ext4Inode, after: Ext4Inode): Promise<string[]> {
    const aspects: string[] = [];
    const sameKind = before.kind === after.kind;
    if (!sameKind) aspects.push("type");
    else if (!(await this.#sameBody(before, after))) aspects.push(bodyAspects[after.kind] ?? "content");
    if (((before.mode ^ after.mode) & permissionBits) !== 0) aspects.push("mode");
    if (before.uid !== after.uid || before.gid !== after.gid) aspects.push("owner");
    if (!(await this.#sameXattrs(before, after))) aspects.push("xattrs");
    return aspects;
  }

  async #sameBody(before: Ext4Inode, after: Ext4Inode): Promise<boolean> {
    switch (after.kind) {
      case "file":
        return await sameContent(this.#disks, before, after, this.#signal);
      case "symlink": {
        const target = Buffer.from(await targetOf(this.#disks.before, before));
        return target.equals(await targetOf(this.#disks.after, after));
      }
      case "device":
        return deviceOf(before) === deviceOf(after);
      default:
        return true;
    }
  }

  async #sameXattrs(before: Ext4Inode, after: Ext4Inode): Promise<boolean> {
    if (before.attributeBlock === 0 && after.attributeBlock === 0 && before.extra.equals(after.extra))
      return true;
    const first = await xattrsOf(this.#disks.before, before);
    const second = await xattrsOf(this.#disks.after, after);
    if (first.size !== second.size) return false;
    for (const [name, value] of first) if (second.get(name) !== value) return false;
    return true;
  }
}

const bodyAspects: Partial<Record<FileChange["type"], string>> = { symlink: "target", device: "device" };

function sizeOf(inode: Ext4Inode | undefined): number | null {
  return inode?.kind === "file" ? inode.sizeBytes : null;
}
