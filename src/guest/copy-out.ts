import { randomBytes } from "node:crypto";
import { constants, lstatSync, type Stats, statSync } from "node:fs";
import { lutimes, mkdir, open, rename, rm, symlink } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import type { CopyOptions } from "../api.ts";
import { EmberError, errnoCode, toEmberError } from "../errors/ember-error.ts";
import type { AgentChannel } from "./channel.ts";
import {
  type CopyReport,
  checkedName,
  forEachConcurrently,
  needsRecursive,
  placeCopy,
} from "./copy-paths.ts";
import { CopyProgress } from "./copy-progress.ts";
import { type GuestEntry, type GuestFile, type GuestFiles, withGuestFiles } from "./sftp.ts";
import { download } from "./transfer.ts";

/** Small files are bound by round trips, so several go at once. */
const concurrentFiles = 16;

/**
 * Copies a file of the guest, or with `recursive` a folder, to the host, with permissions (without set-id bits) and
 * modification times; symlinks inside a folder stay symlinks, devices and pipes are skipped. Each file appears whole
 * or not at all. The place is the one that cp(1) would choose. Whatever the guest answers, nothing outside that place
 * is written: names are checked, and no symlink below it is followed.
 * Throws `file-not-found`, `copy-failed`, `permission-denied`, `disk-full`, `guest-unreachable`, `interrupted`.
 */
export async function copyOut(
  agent: AgentChannel,
  guestPath: string,
  hostPath: string,
  options: CopyOptions = {},
): Promise<CopyReport> {
  const recursive = options.recursive === true;
  return await withGuestFiles(agent, options.signal, async (files) => {
    const source = recursive ? await files.lstat(guestPath) : await files.stat(guestPath);
    if (source === undefined) {
      throw new EmberError("file-not-found", `'${guestPath}' is not there in the guest`);
    }
    if (source.type === "folder" && !recursive) throw needsRecursive(guestPath);
    const target = placeCopy(guestPath, source.type === "folder", hostPath, hostType(hostPath), join);
    const copy = new CopyOut(files, new CopyProgress(options));
    if (source.type === "file") copy.progress.expect(source.sizeBytes);
    try {
      await copy.item(guestPath, source, target);
      return copy.progress.finish();
    } catch (error) {
      throw hostFailure(agent, error, hostPath);
    }
  });
}

function hostType(path: string): "folder" | "file" | undefined {
  return isThere(path, statSync)?.isDirectory() === true ? "folder" : isThere(path, lstatSync) && "file";
}

function isThere(path: string, stat: (path: string) => Stats): Stats | undefined {
  try {
    return stat(path);
  } catch (error) {
    if (errnoCode(error) === "ENOENT" || errnoCode(error) === "ENOTDIR") return undefined;
    throw toEmberError(error);
  }
}

function hostFailure(agent: AgentChannel, error: unknown, hostPath: string): EmberError {
  if (agent.fault !== undefined) return agent.fault;
  if (errnoCode(error) === "ENOENT" && !(error instanceof EmberError)) {
    return new EmberError("file-not-found", `the folder '${dirname(hostPath)}' is not there`, {
      cause: error,
    });
  }
  return toEmberError(error);
}

class CopyOut {
  readonly files: GuestFiles;
  readonly progress: CopyProgress;

  constructor(files: GuestFiles, progress: CopyProgress) {
    this.files = files;
    this.progress = progress;
  }

  async item(from: string, source: GuestFile, to: string): Promise<void> {
    this.progress.check();
    if (source.type === "folder") await this.folder(from, source, to, true);
    else if (source.type === "file") await this.file(from, source, to);
    else if (source.type === "symlink") await this.symlink(from, source, to);
    else this.progress.skip(from);
  }

  /** `named`: the user chose the place, so a symlink to a folder there is theirs and is used. */
  async folder(from: string, source: GuestFile, to: string, named: boolean): Promise<void> {
    const made = await makeFolder(to, named);
    for await (const batch of this.files.list(from)) {
      const checked = batch.map((entry) => ({ ...entry, name: checkedName(entry.name, from) }));
      const copy = (entry: GuestEntry): Promise<void> => this.entry(from, entry, to);
      await forEachConcurrently(checked.filter(isNoFolder), concurrentFiles, copy);
      for (const entry of checked) if (entry.type === "folder") await copy(entry);
    }
    if (!made) return;
    // Last: writing into the folder changes its time, and its mode may forbid that.
    const handle = await open(to, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      await handle.chmod(source.mode & 0o1777);
      await handle.utimes(source.modifiedAt, source.modifiedAt);
    } finally {
      await handle.close();
    }
  }

  async entry(folder: string, entry: GuestEntry, to: string): Promise<void> {
    const from = posix.join(folder, entry.name);
    const target = join(to, entry.name);
    if (entry.type === "folder") await this.folder(from, entry, target, false);
    else await this.item(from, entry, target);
  }

  async file(from: string, source: GuestFile, to: string): Promise<void> {
    const handle = await this.files.openForReading(from);
    try {
      await replace(to, async (temporary) => {
        const target = await open(temporary, "wx", 0o600);
        try {
          await download(handle, source.sizeBytes, target, (count) => this.progress.addBytes(count));
          await target.chmod(source.mode & 0o777);
          await target.utimes(source.modifiedAt, source.modifiedAt);
        } finally {
          await target.close();
        }
      });
    } finally {
      await handle.close().catch(() => undefined); // it was read only: nothing is lost
    }
    this.progress.fileDone();
  }

  async symlink(from: string, source: GuestFile, to: string): Promise<void> {
    const target = await this.files.readlink(from);
    await replace(to, async (temporary) => {
      await symlink(target, temporary);
      await lutimes(temporary, source.modifiedAt, source.modifiedAt);
    });
    this.progress.fileDone();
  }
}

function isNoFolder(entry: GuestEntry): boolean {
  return entry.type !== "folder";
}

/**
 * Post-condition: `path` is a folder, and no symlink unless `named`. Returns whether it was made here.
 * It is made first and looked at when that fails, so that nothing can slip in between.
 */
async function makeFolder(path: string, named: boolean): Promise<boolean> {
  try {
    await mkdir(path, 0o700);
    return true;
  } catch (error) {
    if (errnoCode(error) !== "EEXIST") throw error;
    if ((named ? statSync(path) : lstatSync(path)).isDirectory()) return false;
    throw new EmberError("copy-failed", `'${path}' is in the way of a folder`, { cause: error });
  }
}

/** Makes something new beside `path`, then moves it there in one step. A symlink at `path` is replaced, not followed. */
async function replace(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = join(dirname(path), `.ember-${randomBytes(6).toString("hex")}.tmp`);
  try {
    await make(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    if (errnoCode(error) === "EISDIR" || errnoCode(error) === "ENOTEMPTY") {
      throw new EmberError("copy-failed", `'${path}' is a folder and in the way of a file`, { cause: error });
    }
    throw error;
  }
}
