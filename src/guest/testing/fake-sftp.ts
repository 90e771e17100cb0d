import {
  chmodSync,
  closeSync,
  fstatSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Attributes, FileEntry, SFTPWrapper } from "ssh2";
import { errnoCode } from "../../errors/ember-error.ts";

const ok = 0;
const endOfFile = 1;
const codes: Readonly<Record<string, number>> = { ENOENT: 2, ENOTDIR: 2, EACCES: 3, EPERM: 3 };

/** What a test may change about a folder's listing before it is sent. */
export type Twist = (path: string, entries: FileEntry[]) => FileEntry[];

function attributesOf(stats: Stats): Attributes {
  const [atime, mtime] = [Math.floor(stats.atimeMs / 1000), Math.floor(stats.mtimeMs / 1000)];
  return { mode: stats.mode, uid: stats.uid, gid: stats.gid, size: stats.size, atime, mtime };
}

/** A complete enough SFTP server on a folder of this host, which is the guest's "/". */
export function serveFolder(
  root: string,
  twist: Twist = (_path, entries) => entries,
): (sftp: SFTPWrapper) => void {
  return (sftp) => {
    const handles = new Map<number, { file: number } | { entries: FileEntry[] | undefined }>();
    let lastHandle = 0;
    const local = (path: string): string => join(root, path);
    /** Answers with a status unless `work` has answered itself (by returning true). */
    const answer = (id: number, work: () => unknown): void => {
      try {
        if (work() !== true) sftp.status(id, ok);
      } catch (error) {
        sftp.status(id, codes[errnoCode(error) ?? ""] ?? 4, String(error));
      }
    };
    const give = (id: number, handle: { file: number } | { entries: FileEntry[] }): true => {
      lastHandle += 1;
      handles.set(lastHandle, handle);
      sftp.handle(id, Buffer.from([lastHandle >> 8, lastHandle & 255]));
      return true;
    };
    const file = (handle: Buffer): number => {
      const found = handles.get(handle.readUInt16BE());
      if (found === undefined || !("file" in found)) throw new Error("no such handle");
      return found.file;
    };
    const told = (id: number, stats: Stats): true => {
      sftp.attrs(id, attributesOf(stats));
      return true;
    };
    sftp.on("OPEN", (id, path, flags, attrs) =>
      answer(id, () =>
        give(id, { file: openSync(local(path), flags & 2 ? "wx" : "r", attrs.mode || 0o644) }),
      ),
    );
    sftp.on("READ", (id, handle, offset, length) =>
      answer(id, () => {
        const buffer = Buffer.alloc(length);
        const count = readSync(file(handle), buffer, 0, length, offset);
        if (count === 0) sftp.status(id, endOfFile);
        else sftp.data(id, buffer.subarray(0, count));
        return true;
      }),
    );
    sftp.on("WRITE", (id, handle, offset, data) =>
      answer(id, () => void writeSync(file(handle), data, 0, data.length, offset)),
    );
    sftp.on("FSTAT", (id, handle) => answer(id, () => told(id, fstatSync(file(handle)))));
    sftp.on("STAT", (id, path) => answer(id, () => told(id, statSync(local(path)))));
    sftp.on("LSTAT", (id, path) => answer(id, () => told(id, lstatSync(local(path)))));
    sftp.on("FSETSTAT", (id, handle, attrs) =>
      answer(id, () => {
        futimesSync(file(handle), attrs.atime, attrs.mtime);
        chmodSync(`/dev/fd/${file(handle)}`, attrs.mode);
      }),
    );
    sftp.on("SETSTAT", (id, path, attrs) =>
      answer(id, () => {
        utimesSync(local(path), attrs.atime, attrs.mtime);
        chmodSync(local(path), attrs.mode);
      }),
    );
    sftp.on("CLOSE", (id, handle) =>
      answer(id, () => {
        const found = handles.get(handle.readUInt16BE());
        if (found !== undefined && "file" in found) closeSync(found.file);
        handles.delete(handle.readUInt16BE());
      }),
    );
    sftp.on("OPENDIR", (id, path) =>
      answer(id, () => {
        const names = [".", "..", ...readdirSync(local(path))];
        const entries = names.map((filename) => ({
          filename,
          longname: filename,
          attrs: attributesOf(lstatSync(join(local(path), filename))),
        }));
        return give(id, { entries: twist(path, entries) });
      }),
    );
    sftp.on("READDIR", (id, handle) =>
      answer(id, () => {
        const found = handles.get(handle.readUInt16BE());
        if (found === undefined || !("entries" in found)) throw new Error("no such handle");
        const batch = found.entries?.splice(0, 100) ?? [];
        if (batch.length === 0) sftp.status(id, endOfFile);
        else sftp.name(id, batch);
        return true;
      }),
    );
    sftp.on("MKDIR", (id, path, attrs) => answer(id, () => mkdirSync(local(path), attrs.mode)));
    sftp.on("REMOVE", (id, path) => answer(id, () => unlinkSync(local(path))));
    sftp.on("RENAME", (id, from, to) => answer(id, () => renameSync(local(from), local(to))));
    sftp.on("READLINK", (id, path) =>
      answer(id, () => {
        sftp.name(id, [
          { filename: readlinkSync(local(path)), longname: "", attrs: attributesOf(lstatSync(local(path))) },
        ]);
        return true;
      }),
    );
    // ssh2 names the two the other way round for clients that do not call themselves OpenSSH.
    sftp.on("SYMLINK", (id, target, link) => answer(id, () => symlinkSync(target, local(link))));
  };
}
