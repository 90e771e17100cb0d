import type { Attributes, FileEntry, InputAttributes, SFTPWrapper, Stats } from "ssh2";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentChannel } from "./channel.ts";
import { isEndOfFile, type SftpRequests, sftpRequests } from "./sftp-requests.ts";

export type GuestFileType = "file" | "folder" | "symlink" | "other";

export interface GuestFile {
  readonly type: GuestFileType;
  /** Permission bits, 0o7777. */
  readonly mode: number;
  readonly sizeBytes: number;
  /** Seconds since 1970. */
  readonly modifiedAt: number;
}

export interface GuestEntry extends GuestFile {
  readonly name: string;
}

/**
 * Files of the guest over one SFTP session. Every method throws `file-not-found` (named `path` is not there),
 * `copy-failed` with what the guest said, or `guest-unreachable`.
 */
export interface GuestFiles {
  /** Follows symlinks; undefined when nothing is there. */
  stat(path: string): Promise<GuestFile | undefined>;
  /** Does not follow a symlink; undefined when nothing is there. */
  lstat(path: string): Promise<GuestFile | undefined>;
  /** The folder's content as the guest sends it, batch by batch, names unchecked, "." and ".." left out. */
  list(path: string): AsyncIterable<readonly GuestEntry[]>;
  mkdir(path: string, mode: number): Promise<void>;
  remove(path: string): Promise<void>;
  /** Replaces `to` in one step. */
  rename(from: string, to: string): Promise<void>;
  readlink(path: string): Promise<string>;
  symlink(target: string, path: string): Promise<void>;
  setAttributes(path: string, mode: number, modifiedAt: number): Promise<void>;
  /** Ends the session. Idempotent. */
  close(): void;
  openForReading(path: string): Promise<GuestHandle>;
  /** Makes a new file; fails when something is there. */
  createNew(path: string): Promise<GuestHandle>;
}

export interface GuestHandle {
  /** Bytes read into `buffer`; 0 at the end of the file. */
  read(buffer: Buffer, length: number, position: number): Promise<number>;
  write(buffer: Buffer, length: number, position: number): Promise<void>;
  setAttributes(mode: number, modifiedAt: number): Promise<void>;
  close(): Promise<void>;
}

/** How long a guest may take to let go of what is in flight after an abort. */
const abortGraceMs = 1000;

/**
 * Opens a file transfer session for the time that `body` takes. An abort is `body`'s to notice; a guest that keeps it
 * waiting nevertheless loses its connection.
 */
export async function withGuestFiles<T>(
  agent: AgentChannel,
  signal: AbortSignal | undefined,
  body: (files: GuestFiles) => Promise<T>,
): Promise<T> {
  if (signal?.aborted) throw new EmberError("interrupted", "the copy was interrupted");
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    timer = setTimeout(() => agent.close(), abortGraceMs);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const files = await openGuestFiles(agent);
    try {
      return await body(files);
    } finally {
      files.close();
    }
  } catch (error) {
    throw signal?.aborted
      ? new EmberError("interrupted", "the copy was interrupted", { cause: error })
      : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

async function openGuestFiles(agent: AgentChannel): Promise<GuestFiles> {
  const sftp = await agent.sftp();
  const ask = sftpRequests(agent, sftp);
  const find = async (path: string, follow: boolean): Promise<GuestFile | undefined> => {
    try {
      return fileOf(
        await ask.value<Stats>(path, (done) => (follow ? sftp.stat(path, done) : sftp.lstat(path, done))),
      );
    } catch (error) {
      if (error instanceof EmberError && error.code === "file-not-found") return undefined;
      throw error;
    }
  };
  const open = async (path: string, flags: "r" | "wx"): Promise<GuestHandle> =>
    handleOf(
      sftp,
      ask,
      path,
      await ask.value<Buffer>(path, (done) =>
        sftp.open(path, flags, flags === "wx" ? { mode: 0o600 } : {}, done),
      ),
    );
  return {
    stat: (path) => find(path, true),
    lstat: (path) => find(path, false),
    list: (path) => listFolder(sftp, ask, path),
    mkdir: (path, mode) => ask.done(path, (done) => sftp.mkdir(path, { mode }, done)),
    remove: (path) => ask.done(path, (done) => sftp.unlink(path, done)),
    rename: (from, to) => ask.done(to, (done) => replaceByRename(sftp, from, to, done)),
    readlink: (path) => ask.value<string>(path, (done) => sftp.readlink(path, done)),
    // Every server follows OpenSSH in taking the target first, against the draft; ssh2 does so only with servers
    // that call themselves OpenSSH, and swaps the two for the agent.
    symlink: (target, path) => ask.done(path, (done) => sftp.symlink(path, target, done)),
    setAttributes: (path, mode, modifiedAt) =>
      ask.done(path, (done) => sftp.setstat(path, attributes(mode, modifiedAt), done)),
    openForReading: (path) => open(path, "r"),
    createNew: (path) => open(path, "wx"),
    close: () => sftp.end(),
  };
}

async function* listFolder(
  sftp: SFTPWrapper,
  ask: SftpRequests,
  path: string,
): AsyncGenerator<readonly GuestEntry[]> {
  const handle = await ask.value<Buffer>(path, (done) => sftp.opendir(path, done));
  try {
    for (;;) {
      const batch = await ask.value<FileEntry[] | undefined>(path, (done) =>
        sftp.readdir(handle, (error, entries) =>
          isEndOfFile(error) ? done(undefined, undefined) : done(error, entries),
        ),
      );
      if (batch === undefined) return;
      yield batch
        .filter((entry) => entry.filename !== "." && entry.filename !== "..")
        .map((entry) => ({ name: entry.filename, ...fileOf(entry.attrs) }));
    }
  } finally {
    await ask.done(path, (done) => sftp.close(handle, done)).catch(() => undefined); // a handle less, or no session at all
  }
}

function handleOf(sftp: SFTPWrapper, ask: SftpRequests, path: string, handle: Buffer): GuestHandle {
  return {
    read: (buffer, length, position) =>
      ask.value<number>(path, (done) =>
        sftp.read(handle, buffer, 0, length, position, (error, count) =>
          isEndOfFile(error) ? done(undefined, 0) : done(error, count),
        ),
      ),
    write: (buffer, length, position) =>
      ask.done(path, (done) => sftp.write(handle, buffer, 0, length, position, done)),
    setAttributes: (mode, modifiedAt) =>
      ask.done(path, (done) => sftp.fsetstat(handle, attributes(mode, modifiedAt), done)),
    close: () => ask.done(path, (done) => sftp.close(handle, done)),
  };
}

function attributes(mode: number, modifiedAt: number): InputAttributes {
  return { mode, atime: modifiedAt, mtime: modifiedAt };
}

/** The type bits of st_mode, which SFTP took over from POSIX. */
const typeMask = 0o170000;
const typeNames: ReadonlyMap<number, GuestFileType> = new Map([
  [0o100000, "file"],
  [0o040000, "folder"],
  [0o120000, "symlink"],
]);

/** OpenSSH's extension replaces what is at `to`; so does the plain rename of a server that lacks the extension. */
function replaceByRename(
  sftp: SFTPWrapper,
  from: string,
  to: string,
  done: (error?: Error | null) => void,
): void {
  try {
    sftp.ext_openssh_rename(from, to, done);
  } catch {
    sftp.rename(from, to, done); // ssh2 throws when the server did not offer it
  }
}

/** What is left out of a guest's answer counts as zero: the type is then "other", which is never copied. */
function fileOf(attrs: Attributes): GuestFile {
  const mode = attrs.mode ?? 0;
  return {
    type: typeNames.get(mode & typeMask) ?? "other",
    mode: mode & 0o7777,
    sizeBytes: attrs.size ?? 0,
    modifiedAt: attrs.mtime ?? 0,
  };
}
