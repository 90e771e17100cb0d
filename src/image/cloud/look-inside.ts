import {
  architectureOfElf,
  elfHeaderBytes,
  type GuestArchitecture,
} from "../../guest/binary/architecture.ts";
import type { BlockReader } from "../disk/block-reader.ts";
import { rootInode } from "../ext4/format.ts";
import { contentOf, readContent } from "../ext4/reader/content.ts";
import { entriesOf } from "../ext4/reader/directory.ts";
import { type Ext4Disk, openExt4 } from "../ext4/reader/disk.ts";
import { type Ext4Inode, readInode } from "../ext4/reader/inode.ts";
import { targetOf } from "../ext4/reader/symlink.ts";
import { bytesOf, fromBytes } from "../tar/bytes.ts";

/** Linux's own limit. */
const mostLinks = 40;
/** A directory that a hostile disk has made endless is not walked for ever. */
const mostSteps = 400;

/** What a root file system is told by. */
export interface RootFacts {
  /** Of the programs in it; undefined for one that ember has no guests for, or that none was found of. */
  readonly architecture: GuestArchitecture | undefined;
}

/** Any of them tells the architecture: an init may be a script. */
const programs = [
  "/sbin/init",
  "/usr/lib/systemd/systemd",
  "/lib/systemd/systemd",
  "/bin/sh",
  "/bin/busybox",
  "/usr/bin/env",
];

/** Undefined for a file system that is no root: without /etc, or without /usr and an init. Throws what reading it throws. */
export async function lookInside(disk: BlockReader): Promise<RootFacts | undefined> {
  const ext4 = await openExt4(disk);
  const has = async (path: string): Promise<boolean> => (await find(ext4, path)) !== undefined;
  if (!(await has("/etc")) || !((await has("/usr")) || (await has("/sbin/init")))) return undefined;
  return { architecture: await architectureOf(ext4) };
}

async function architectureOf(disk: Ext4Disk): Promise<GuestArchitecture | undefined> {
  for (const path of programs) {
    const program = await find(disk, path);
    if (program?.kind !== "file" || program.sizeBytes < elfHeaderBytes) continue;
    const found = architectureOfElf(
      await readContent(disk, await contentOf(disk, program), 0, elfHeaderBytes),
    );
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What stands at a path of the disk, links followed as a guest would; undefined when nothing does. */
async function find(disk: Ext4Disk, path: string): Promise<Ext4Inode | undefined> {
  const root = await readInode(disk, rootInode);
  const rest = bytesOf(path).split("/");
  const way: Ext4Inode[] = [root];
  let links = 0;
  for (let steps = 0; rest.length > 0 && steps < mostSteps; steps++) {
    const name = rest.shift();
    const folder = way.at(-1) ?? root;
    if (name === undefined || name === "" || name === ".") continue;
    if (name === "..") {
      if (way.length > 1) way.pop();
      continue;
    }
    if (folder.kind !== "directory") return undefined;
    const number = (await entriesOf(disk, folder)).get(name);
    if (number === undefined) return undefined;
    const inode = await readInode(disk, number);
    if (inode.kind !== "symlink") {
      way.push(inode);
      continue;
    }
    if (++links > mostLinks) return undefined;
    const target = fromBytes(await targetOf(disk, inode));
    if (target.startsWith("/")) way.length = 1;
    rest.unshift(...target.split("/"));
  }
  return rest.length > 0 ? undefined : way.at(-1);
}
