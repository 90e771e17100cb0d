import { link, rm, writeFile } from "node:fs/promises";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { randomHex } from "../../host/random.ts";

/** Whole or not at all, and never over another file. */
export async function writeOutput(content: Uint8Array, path: string): Promise<void> {
  const partial = `${path}.${randomHex(4)}.part`;
  try {
    await writeFile(partial, content, { flag: "wx" });
    await link(partial, path);
  } catch (error) {
    if (errnoCode(error) === "EEXIST") throw fileTaken(path);
    throw error;
  } finally {
    await rm(partial, { force: true });
  }
}

/** What to throw when there is a file already. */
export function fileTaken(path: string): EmberError {
  return new EmberError("kernel-exists", `there is a file '${path}' already`, {
    hint: "choose another name for --output",
  });
}
