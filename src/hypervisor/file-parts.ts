import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { errnoCode } from "../errors/ember-error.ts";

/** The first `bytes` of a file, fewer when it is shorter; undefined when there is no such file. */
export function readHead(path: string, bytes: number): Buffer | undefined {
  return readPart(path, () => ({ start: 0, length: bytes }));
}

/** The last `bytes` of a file, all of it when it is shorter; undefined when there is no such file. */
export function readTail(path: string, bytes: number): Buffer | undefined {
  return readPart(path, (size) => ({ start: Math.max(0, size - bytes), length: bytes }));
}

function readPart(
  path: string,
  part: (size: number) => { readonly start: number; readonly length: number },
): Buffer | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { start, length } = part(fstatSync(file).size);
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(file, buffer, 0, length, start));
  } finally {
    closeSync(file);
  }
}
