import { existsSync } from "node:fs";
import { EmberError } from "../../errors/ember-error.ts";
import { type Archive, hostArchives } from "../../kernel/debian/archives.ts";
import { archiveKeyring } from "../../kernel/debian/keyring.ts";
import type { Distribution } from "./distribution.ts";

export const debian: Distribution = {
  name: "debian",
  title: "Debian",
  defaultSuite: "bookworm",
  suites: "bookworm, trixie, sid",
  components: ["main"],
  mergedUsrPackage: "usr-is-merged",
  masked: [],
  keyringPackage: "'debian-archive-keyring'",
  keyring: archiveKeyring,
  archives: archivesOf,
};

const officialSecurity = "http://deb.debian.org/debian-security";
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Suites that get their corrections directly. */
const withoutSecurity: readonly string[] = ["sid", "unstable", "experimental"];

/**
 * Where the packages come from: the mirrors that this host's apt uses when it is a Debian, else Debian's own. Without
 * Debian's keyring on the host only what the release itself is signed with can be checked.
 */
export function archivesOf(suite: string): readonly Archive[] {
  const [main, security] = hostArchives();
  if (main === undefined) throw new EmberError("internal", "there is no mirror of Debian");
  const found: Archive[] = [{ uri: main.uri, suite }];
  if (withoutSecurity.includes(suite)) return found;
  const official =
    main.uri === "http://deb.debian.org/debian" && existsSync(keyring) ? officialSecurity : undefined;
  const uri = security?.uri ?? official;
  if (uri !== undefined) found.push({ uri, suite: `${suite}-security` });
  return found;
}
