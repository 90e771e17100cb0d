import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import { randomHex } from "./random.ts";

/**
 * Makes sure that `path` is a folder that this user owns and nobody else can enter (mode 0700), and no symlink. A folder
 * that was there is only closed to others when it is empty or ember's already: a slip such as `--state-dir /tmp` must
 * not lock everybody out. Throws `permission-denied`.
 */
export function ensurePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const facts = lstatSync(path);
  const uid = process.getuid?.();
  if (!facts.isDirectory() || (uid !== undefined && facts.uid !== uid)) {
    throw new EmberError("permission-denied", `'${path}' is not a folder of this user's own`, {
      hint: "remove it, or choose another place with --state-dir",
    });
  }
  if ((facts.mode & 0o077) === 0) return;
  const content = readdirSync(path);
  if (content.length > 0 && !content.includes("ember.db")) {
    throw new EmberError("permission-denied", `'${path}' holds other files, and other users can enter it`, {
      hint: `choose a folder of its own with --state-dir, or close this one: chmod 700 '${path}'`,
    });
  }
  chmodSync(path, 0o700);
}

/** Replaces `path` in one step: readers see the old content or the new, also after power loss. Mode 0600 unless said. */
export function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o600): void {
  const temporary = `${path}.${process.pid}-${randomHex(4)}.tmp`;
  try {
    const file = openSync(temporary, "wx", mode);
    try {
      const bytes = typeof content === "string" ? Buffer.from(content) : content;
      for (let offset = 0; offset < bytes.length; ) offset += writeSync(file, bytes, offset);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** Makes renames and new names in a folder survive power loss. */
export function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
