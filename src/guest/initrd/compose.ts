import { constants } from "node:fs";
import { chmod, copyFile, open, rm } from "node:fs/promises";
import { writeCpio } from "./cpio.ts";

/**
 * Begins the initrd of one VM: the shared base, which may be copied before anything is known of the VM. Post-condition:
 * `target` holds the base and only the owner can read it. Idempotent: what was there before is replaced.
 * Throws `disk-full` and the like as system errors; then `target` is not there.
 */
export async function beginInitrd(basePath: string, target: string): Promise<void> {
  await rm(target, { force: true });
  await removedOnError(target, async () => {
    // Shares the base's blocks where the file system can, so that it costs the same whatever the base's size.
    await copyFile(basePath, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await chmod(target, 0o600);
  });
}

/** Adds what makes the initrd this VM's: its identity, which holds a private key. Throws as `beginInitrd` does. */
export async function finishInitrd(target: string, identity: string): Promise<void> {
  await removedOnError(target, () => append(target, identityArchive(identity)));
}

async function removedOnError(path: string, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

function identityArchive(identity: string): Buffer {
  return writeCpio([
    { type: "folder", path: "ember", mode: 0o700 },
    { type: "file", path: "ember/identity.json", mode: 0o600, content: Buffer.from(identity) },
  ]);
}

async function append(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, "a");
  try {
    await file.writeFile(bytes);
  } finally {
    await file.close();
  }
}
