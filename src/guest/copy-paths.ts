import { posix } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import { printable } from "./printable.ts";

/** What a copy did. */
export interface CopyReport {
  readonly files: number;
  readonly bytes: number;
  /** Devices, pipes and sockets that were left out. */
  readonly skipped: readonly string[];
}

/**
 * Where a copy of `source` goes, as cp(1) has it: into `target` when that is a folder, else to `target` itself.
 * `source` ending in "/." (or "..", or "/") means the folder's content, which is merged into the target.
 * Throws `copy-failed` where a folder would have to replace a file, or a named folder is not there.
 */
export function placeCopy(
  source: string,
  sourceIsFolder: boolean,
  target: string,
  targetType: "folder" | "file" | undefined,
  join: (folder: string, name: string) => string,
): string {
  if (targetType === "folder") {
    const name = lastName(source);
    return name === undefined ? target : join(target, name);
  }
  if (targetType === "file" && (sourceIsFolder || target.endsWith("/"))) {
    throw new EmberError("copy-failed", `'${printable(target)}' is not a folder`);
  }
  if (targetType === undefined && target.endsWith("/") && !sourceIsFolder) {
    throw new EmberError("file-not-found", `the folder '${printable(target)}' is not there`);
  }
  return target;
}

/** The name that a copy of `path` gets; undefined when the path does not end in one. */
function lastName(path: string): string | undefined {
  const name = posix.basename(path);
  return /^(|\.|\.\.|\/)$/.test(name) || path.endsWith("/.") ? undefined : name;
}

/**
 * The name of an entry of a guest's folder, once it is sure that it names something in that folder and nothing else.
 * Throws `copy-failed` for "", ".", "..", and anything with a slash or a NUL: no honest guest sends these.
 */
export function checkedName(name: string, folder: string): string {
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
    throw new EmberError(
      "copy-failed",
      `the guest sent '${printable(name)}' as the name of a file in '${printable(folder)}'`,
      { hint: "nothing was written for it; do not trust this guest" },
    );
  }
  return name;
}

/** The error for a folder that is copied without saying so. */
export function needsRecursive(path: string): EmberError {
  return new EmberError("copy-failed", `'${printable(path)}' is a folder`, {
    hint: "copy it with --recursive",
  });
}

/** Runs `work` for every item, a few at a time; after a failure nothing new is begun, and the first failure is thrown. */
export async function forEachConcurrently<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
