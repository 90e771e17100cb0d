import type { SFTPWrapper } from "ssh2";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentChannel } from "./channel.ts";
import { printable } from "./printable.ts";

/** Status codes of SFTP version 3 (draft-ietf-secsh-filexfer-02, section 7). */
const status = { endOfFile: 1, noSuchFile: 2, permissionDenied: 3 };

type Done<T> = (error: (Error & { code?: unknown }) | null | undefined, value: T) => void;

/** Requests of one SFTP session; every one ends, in an EmberError when it fails. */
export interface SftpRequests {
  /** A request with a result. */
  value<T>(path: string, request: (done: Done<T>) => void): Promise<T>;
  /** A request that is only acknowledged. */
  done(path: string, request: (done: (error?: Error | null) => void) => void): Promise<void>;
}

/**
 * Turns ssh2's callbacks into promises and its errors into ember's. ssh2 forgets requests that are made once the
 * session is gone: here every one of them ends.
 */
export function sftpRequests(agent: AgentChannel, sftp: SFTPWrapper): SftpRequests {
  const pending = new Set<(error: EmberError) => void>();
  let gone: EmberError | undefined;
  const end = (): void => {
    gone ??= agent.fault ?? new EmberError("copy-failed", "the guest ended the file transfer");
    for (const reject of pending) reject(gone);
    pending.clear();
  };
  sftp.on("error", end).on("end", end).on("close", end);
  void agent.closed.then(end);
  const value = async <T>(path: string, request: (done: Done<T>) => void): Promise<T> => {
    if (path.includes("\0")) throw new EmberError("usage", `'${printable(path)}' holds a NUL byte`);
    if (gone !== undefined) throw gone;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    pending.add(reject);
    try {
      request((error, result) => (error ? reject(failure(agent, path, error)) : resolve(result)));
      return await promise;
    } catch (error) {
      throw error instanceof EmberError ? error : failure(agent, path, error); // ssh2 throws for a lost connection
    } finally {
      pending.delete(reject);
    }
  };
  const done: SftpRequests["done"] = (path, request) =>
    value<void>(path, (settle) => request((error) => settle(error, undefined)));
  return { value, done };
}

function failure(agent: AgentChannel, path: string, error: unknown): EmberError {
  if (agent.fault !== undefined) return agent.fault;
  const code = numericCode(error);
  const shown = printable(path);
  if (code === status.noSuchFile) {
    return new EmberError("file-not-found", `'${shown}' is not there in the guest`, { cause: error });
  }
  if (code === status.permissionDenied) {
    return new EmberError("copy-failed", `the guest does not allow access to '${shown}'`, { cause: error });
  }
  const why = error instanceof Error ? error.message : String(error);
  if (/no space left on device|disk quota exceeded/i.test(why)) {
    return new EmberError("copy-failed", `the guest's disk is full: '${shown}' was not written`, {
      hint: "free some space in the guest, or give it a larger disk",
      cause: error,
    });
  }
  return new EmberError("copy-failed", `'${shown}' in the guest: ${printable(why)}`, { cause: error });
}

/** Whether a request failed only because there is nothing more to read. */
export function isEndOfFile(error: unknown): boolean {
  return numericCode(error) === status.endOfFile;
}

function numericCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
