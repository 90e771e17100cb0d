import { EmberError, errnoCode, toEmberError } from "../errors/ember-error.ts";

/** System errors by which a file system says that it cannot share these files' blocks (libuv's names; facts 7.1). */
const cannotShare: ReadonlySet<string | undefined> = new Set([
  "ENOTSUP",
  "EOPNOTSUPP",
  "EXDEV",
  "EINVAL",
  "ENOSYS",
  "ENOTTY",
]);

export function isCannotShare(error: unknown): boolean {
  return cannotShare.has(errnoCode(error));
}

export function cannotClone(folder: string, hint: string, cause?: unknown): EmberError {
  return new EmberError(
    "storage-cannot-clone",
    `the file system of '${folder}' cannot share blocks between files`,
    { hint, cause },
  );
}

/**
 * Runs one operation of a driver and gives whatever it throws a code and a sentence that says what was attempted.
 * `lowerFull` tells whether the file system below a mounted backing file is full: writes above then fail with EIO.
 */
export async function attempt<T>(
  what: string,
  work: () => Promise<T>,
  lowerFull?: () => boolean,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explain(what, error, lowerFull);
  }
}

function explain(what: string, error: unknown, lowerFull: (() => boolean) | undefined): EmberError {
  if (error instanceof EmberError) return error;
  const known = toEmberError(error);
  const message = `cannot ${what}: ${known.message}`;
  switch (errnoCode(error)) {
    case "EFBIG":
      return new EmberError("invalid-size", message, { hint: "ask for a smaller size", cause: error });
    case "EROFS":
      return new EmberError("io-failed", `cannot ${what}: its file system takes no more writing`, {
        hint: "see what 'dmesg' tells of it; when all is well again, mount it for writing ('mount -o remount,rw')",
        cause: error,
      });
    case "EIO":
      if (lowerFull?.() === true) return lowerFileSystemFull(what, error);
      break;
    default:
  }
  return new EmberError(
    known.code,
    message,
    known.hint === undefined ? { cause: error } : { hint: known.hint, cause: error },
  );
}

export function lowerFileSystemFull(what: string, cause?: unknown): EmberError {
  return new EmberError(
    "disk-full",
    `cannot ${what}: the file system that holds ember's storage file is full`,
    {
      hint: "free some space there, stop the VMs, then try again",
      cause,
    },
  );
}
