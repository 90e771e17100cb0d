import { constants } from "node:fs";
import { chmod, copyFile, open, rm } from "node:fs/promises";
import { writeCpio } from "./cpio.ts";

/**
 * Writes the initrd of one VM: the shared base, then its identity. Post-condition: `target` holds both and only the
 * owner can read it (the identity holds a private key). Idempotent: what was there before is replaced.
 * Throws `disk-full` and the like as system errors; then `target` is not there.
 */
export async function composeInitrd(basePath: string, identity: string, target: string): Promise<void> {
  await rm(target, { force: true });
  try {
    // Shares the base's blocks where the file system can, so that it costs the same whatever the base's size.
    await copyFile(basePath, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await chmod(target, 0o600); // before the secret goes in
    await append(target, identityArchive(identity));
  } catch (error) {
    await rm(target, { force: true });
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
