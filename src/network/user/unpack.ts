import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensurePrivateFolder, writeFileAtomic } from "../../host/files.ts";
import type { NetProgram } from "./binary/program.ts";

const namePrefix = "ember-net-";

/**
 * The path of the program as a file, unpacked into `folder` when it is not there yet: once for each version, in one step. Others
 * are removed; a process of theirs goes on without its file. Throws `permission-denied`, `disk-full`.
 */
export function programPath(program: NetProgram, folder: string): string {
  if (program.kind === "file") return program.path;
  const name = `${namePrefix}${program.sha256.slice(0, 16)}`;
  const path = join(folder, name);
  ensurePrivateFolder(folder);
  if (!existsSync(path)) writeFileAtomic(path, program.read(), 0o700);
  for (const other of readdirSync(folder)) {
    // What a killed unpacking left goes as well; nobody unpacks at the same time.
    if (other.startsWith(namePrefix) && other !== name) rmSync(join(folder, other), { force: true });
  }
  return path;
}
