import { readFileSync } from "node:fs";
import { type AptSource, readAptSources } from "./apt-sources.ts";

/** A part of Debian, or of a distribution of its kind, that is signed as a whole. */
export interface Archive {
  /** Without a slash at its end: "http://deb.debian.org/debian". */
  readonly uri: string;
  /** "bookworm", "bookworm-security". */
  readonly suite: string;
}

/** Used where the host has no Debian mirror of its own. */
const fallback: Archive = { uri: "http://deb.debian.org/debian", suite: "bookworm" };

/**
 * Where kernels come from on this host: the mirror that its apt uses, with the security archive where that is set up
 * too. On a host that is not Debian, Debian's own mirrors. Which mirror it is does not matter for trust: what it hands
 * out is checked against the archive's signature.
 */
export function hostArchives(): readonly Archive[] {
  return chooseArchives(readAptSources(), hostCodename("debian"));
}

/** `codename` is the host's own release, undefined when the host is not Debian. */
export function chooseArchives(
  sources: readonly AptSource[],
  codename: string | undefined,
): readonly Archive[] {
  if (codename === undefined) return [fallback];
  const withMain = sources.filter(({ components }) => components.includes("main"));
  const main = mirrorOf(withMain, /\/debian\/*$/, codename);
  const security = mirrorOf(withMain, /\/debian-security\/*$/, `${codename}-security`);
  return [main ?? { ...fallback, suite: codename }, ...(security === undefined ? [] : [security])];
}

/** The first source of the wanted kind that can be fetched from by http; suites may also be named by their status. */
export function mirrorOf(sources: readonly AptSource[], form: RegExp, suite: string): Archive | undefined {
  const [, status = ""] = /(-security)?$/.exec(suite) ?? [];
  const named = [suite, `stable${status}`, `oldstable${status}`, `oldoldstable${status}`];
  for (const source of sources) {
    const uri = source.uris.find((candidate) => /^https?:\/\//.test(candidate) && form.test(candidate));
    if (uri !== undefined && source.suites.some((candidate) => named.includes(candidate))) {
      return { uri: uri.replace(/\/+$/, ""), suite };
    }
  }
  return undefined;
}

/** "bookworm"; undefined when the host is another distribution, or an unreleased version, which has no codename of its own. */
export function hostCodename(distribution: "debian" | "ubuntu"): string | undefined {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    if (/^ID="?([a-z]+)"?$/m.exec(text)?.[1] !== distribution) return undefined;
    return /^VERSION_CODENAME="?([a-z]{1,40})"?$/m.exec(text)?.[1];
  } catch {
    return undefined; // not a Linux that says what it is
  }
}
