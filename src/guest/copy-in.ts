import { randomBytes } from "node:crypto";
import { lstatSync, type Stats, statSync } from "node:fs";
import { open, opendir, readlink } from "node:fs/promises";
import { join, posix } from "node:path";
import type { CopyOptions } from "../api.ts";
import { EmberError, errnoCode, toEmberError } from "../errors/ember-error.ts";
import type { AgentChannel } from "./channel.ts";
import { type CopyReport, forEachConcurrently, needsRecursive, placeCopy } from "./copy-paths.ts";
import { CopyProgress } from "./copy-progress.ts";
import { type GuestFiles, withGuestFiles } from "./sftp.ts";
import { upload } from "./transfer.ts";

/** Small files are bound by round trips, so several go at once. */
const concurrentFiles = 16;

/**
 * Copies a file of the host, or with `recursive` a folder, into the guest, with permissions (without set-id bits) and
 * modification times; symlinks inside a folder stay symlinks, devices and pipes are skipped. Each file appears whole
 * or not at all. The place is the one that cp(1) would choose.
 * Throws `file-not-found`, `copy-failed`, `permission-denied`, `guest-unreachable`, `interrupted`.
 */
export async function copyIn(
  agent: AgentChannel,
  hostPath: string,
  guestPath: string,
  options: CopyOptions = {},
): Promise<CopyReport> {
  const source = sourceStats(hostPath, options.recursive === true);
  if (source.isDirectory() && options.recursive !== true) throw needsRecursive(hostPath);
  return await withGuestFiles(agent, options.signal, async (files) => {
    const there = await files.stat(guestPath);
    const targetType = there === undefined ? undefined : there.type === "folder" ? "folder" : "file";
    const target = placeCopy(hostPath, source.isDirectory(), guestPath, targetType, posix.join);
    const copy = new CopyIn(files, new CopyProgress(options));
    if (source.isFile()) copy.progress.expect(source.size);
    try {
      await copy.item(hostPath, source, target);
      return copy.progress.finish();
    } catch (error) {
      throw agent.fault ?? toEmberError(error);
    }
  });
}

/** A path that the user names is followed when it is a symlink to a file; with `recursive` it is copied as it is. */
function sourceStats(path: string, recursive: boolean): Stats {
  try {
    return recursive ? lstatSync(path) : statSync(path);
  } catch (error) {
    if (errnoCode(error) !== "ENOENT" && errnoCode(error) !== "ENOTDIR") throw toEmberError(error);
    throw new EmberError("file-not-found", `'${path}' is not there`, { cause: error });
  }
}

class CopyIn {
  readonly files: GuestFiles;
  readonly progress: CopyProgress;

  constructor(files: GuestFiles, progress: CopyProgress) {
    this.files = files;
    this.progress = progress;
  }

  async item(from: string, stats: Stats, to: string): Promise<void> {
    this.progress.check();
    if (stats.isDirectory()) await this.folder(from, stats, to);
    else if (stats.isFile()) await this.file(from, to);
    else if (stats.isSymbolicLink()) await this.symlink(from, to);
    else this.progress.skip(from);
  }

  async folder(from: string, stats: Stats, to: string): Promise<void> {
    const there = await this.files.stat(to);
    if (there === undefined) await this.files.mkdir(to, 0o700);
    else if (there.type !== "folder") {
      throw new EmberError("copy-failed", `'${to}' in the guest is not a folder`, {
        hint: `'${from}' cannot replace it`,
      });
    }
    const folders: string[] = [];
    const others: string[] = [];
    for await (const entry of await opendir(from)) (entry.isDirectory() ? folders : others).push(entry.name);
    const copy = (name: string): Promise<void> =>
      this.item(join(from, name), lstatSync(join(from, name)), posix.join(to, name));
    await forEachConcurrently(others, concurrentFiles, copy);
    for (const name of folders) await copy(name);
    // Last: writing into the folder changes its time, and its mode may forbid that.
    if (there === undefined)
      await this.files.setAttributes(to, stats.mode & 0o1777, Math.floor(stats.mtimeMs / 1000));
  }

  async file(from: string, to: string): Promise<void> {
    const source = await open(from, "r");
    try {
      const stats = await source.stat();
      const modifiedAt = Math.floor(stats.mtimeMs / 1000);
      await this.replace(to, async (temporary) => {
        const target = await this.files.createNew(temporary);
        try {
          await upload(source, stats.size, target, (count) => this.progress.addBytes(count));
          await target.setAttributes(stats.mode & 0o777, modifiedAt);
        } finally {
          await target.close();
        }
      });
    } finally {
      await source.close();
    }
    this.progress.fileDone();
  }

  async symlink(from: string, to: string): Promise<void> {
    const target = await readlink(from);
    await this.replace(to, (temporary) => this.files.symlink(target, temporary));
    this.progress.fileDone();
  }

  /** Makes something new beside `path`, then moves it there in one step. The name is short: 255 bytes are the limit. */
  async replace(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
    const temporary = posix.join(posix.dirname(path), `.ember-${randomBytes(6).toString("hex")}.tmp`);
    try {
      await make(temporary);
      await this.files.rename(temporary, path);
    } catch (error) {
      await this.files.remove(temporary).catch(() => undefined); // gone already, or the guest is
      if (!(error instanceof EmberError) || error.code !== "file-not-found") throw error;
      const folder = posix.dirname(path);
      throw new EmberError("file-not-found", `the folder '${folder}' is not there in the guest`, {
        cause: error,
      });
    }
  }
}
