import { existsSync } from "node:fs";
import { EmberError } from "../../errors/ember-error.ts";
import { type Archive, hostArchives } from "../../kernel/debian/archives.ts";
import { shown } from "../reference.ts";

/** What `debian` without a suite means. */
export const defaultSuite = "bookworm";

/** Reads "debian" or "debian:SUITE". Throws `unsupported` for other distributions, `invalid-reference`. */
export function parseDistribution(text: string): string {
  const [distribution, suite = defaultSuite, ...rest] = text.split(":");
  if (distribution !== "debian") {
    throw new EmberError("unsupported", `'${shown(text)}' cannot be made from packages`, {
      hint: "write 'debian' or 'debian:SUITE'; others come from a registry: ember image pull",
    });
  }
  if (rest.length > 0 || !/^[a-z]{1,40}$/.test(suite)) {
    throw new EmberError("invalid-reference", `'${shown(text)}' does not name a suite of Debian`, {
      hint: "write 'debian:' and a codename: bookworm, trixie, sid",
    });
  }
  return suite;
}

/** The name that an image of that suite gets. */
export function nameOfSuite(suite: string): string {
  return suite === defaultSuite ? "debian" : `debian-${suite}`;
}

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
