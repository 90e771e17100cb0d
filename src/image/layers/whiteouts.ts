import { type FolderInode, plainAttributes } from "../ext4/inode.ts";
import type { FileTree, Name } from "../ext4/tree.ts";
import { type ByteString, shown } from "../tar/bytes.ts";
import { invalidArchive } from "../tar/invalid.ts";

const prefix = ".wh.";
const reserved = ".wh..wh.";
const opaque = ".wh..wh..opq";

/** What an entry's name means beside a name: it may be a marker that hides something of the layers below. */
export type Marker =
  | { readonly kind: "none" }
  /** Hides all that lower layers have in the folder in which the marker lies. */
  | { readonly kind: "opaque" }
  /** Hides what lower layers have under this name in the folder in which the marker lies. */
  | { readonly kind: "whiteout"; readonly name: ByteString }
  /** Private to some driver that wrote the archive. */
  | { readonly kind: "ignored" };

/** Throws `image-invalid` for markers that make no sense. */
export function markerOf(parts: readonly ByteString[]): Marker {
  const name = parts.at(-1) ?? "";
  for (const folder of parts.slice(0, -1)) {
    if (!folder.startsWith(prefix)) continue;
    if (folder.startsWith(reserved)) return { kind: "ignored" };
    throw invalidArchive(`${shown(parts.join("/"))} lies in what is a marker, not a folder`);
  }
  if (!name.startsWith(prefix)) return { kind: "none" };
  if (name === opaque) return { kind: "opaque" };
  if (name.startsWith(reserved)) return { kind: "ignored" };
  const hidden = name.slice(prefix.length);
  if (hidden === "" || hidden === "." || hidden === "..") {
    throw invalidArchive(`${shown(parts.join("/"))} marks nothing that could be hidden`);
  }
  return { kind: "whiteout", name: hidden };
}

/** Hides what layers below `layer` have under a name; what `layer` itself has there stays, wherever the marker stood. */
export function hideName(
  tree: FileTree,
  folder: FolderInode,
  name: ByteString,
  layer: number,
  seconds: number,
): void {
  const hidden = tree.find(folder, name);
  if (hidden === undefined) return;
  if (isLower(hidden, layer)) tree.remove(folder, name);
  else if (hidden.inode.kind === "folder") {
    forgetLowerAttributes(hidden.inode, layer, seconds);
    hideContent(tree, hidden.inode, layer, seconds);
  }
}

/** Hides all that layers below `layer` have in a folder. */
export function hideContent(tree: FileTree, folder: FolderInode, layer: number, seconds: number): void {
  const open = [folder];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (at.clearedIn === layer) continue; // nothing lower can have come since
    at.clearedIn = layer;
    for (const child of tree.namesIn(at)) {
      if (isLower(child, layer)) tree.remove(at, tree.nameOf(child));
      else if (child.inode.kind === "folder") {
        forgetLowerAttributes(child.inode, layer, seconds);
        open.push(child.inode);
      }
    }
  }
}

function isLower(name: Name, layer: number): boolean {
  return (name.inode.kind === "folder" ? name.inode.touchedIn : name.layer) < layer;
}

/** A folder that only a hidden layer described is one that nothing describes. */
function forgetLowerAttributes(folder: FolderInode, layer: number, seconds: number): void {
  if (folder.listedIn < layer) folder.attributes = plainAttributes(seconds);
}
