import { link, open, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoCode } from "../errors/ember-error.ts";
import { syncFolder } from "../host/files.ts";

/** Makes a file's content and size survive power loss. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Gives the finished scratch file its final name in one step, and never takes that name from another file (a rename
 * would). Post-condition: `scratch` is gone; `final` is there and survives power loss. Returns whether it was this
 * file that got the name. The caller has made the content durable before.
 */
export async function publish(scratch: string, final: string): Promise<boolean> {
  let published = true;
  try {
    await link(scratch, final);
  } catch (error) {
    if (errnoCode(error) !== "EEXIST") throw error;
    published = false;
  }
  await unlink(scratch);
  syncFolder(dirname(final));
  return published;
}
