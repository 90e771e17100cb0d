import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../../host/files.ts";
import { archiveKeys } from "./archive-keys.ts";

const hostKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The keys that Debian's archives are checked with: the host's own, kept up to date by its packages, else ours. */
export function archiveKeyring(folder: string): string {
  if (existsSync(hostKeyring)) return hostKeyring;
  const path = join(folder, "archive-keys.gpg");
  writeFileAtomic(path, archiveKeys());
  return path;
}
