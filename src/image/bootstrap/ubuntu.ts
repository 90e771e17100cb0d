import { existsSync } from "node:fs";
import { EmberError } from "../../errors/ember-error.ts";
import { type GuestArchitecture, hostArchitecture } from "../../guest/binary/architecture.ts";
import { type AptSource, readAptSources } from "../../kernel/debian/apt-sources.ts";
import { type Archive, hostCodename, mirrorOf } from "../../kernel/debian/archives.ts";
import type { Distribution } from "./distribution.ts";

const keyring = "/usr/share/keyrings/ubuntu-archive-keyring.gpg";

export const ubuntu: Distribution = {
  name: "ubuntu",
  title: "Ubuntu",
  defaultSuite: "noble",
  suites: "noble, jammy",
  components: ["main", "universe"],
  mergedUsrPackage: undefined, // its older suites have none, and the newer ones bring the links in base-files
  masked: ["motd-news.timer"], // fetches what the login prompt shows
  keyringPackage: "'ubuntu-keyring' (on Debian 'ubuntu-archive-keyring')",
  keyring: () => ubuntuKeyring(keyring),
  archives: (suite) => ubuntuArchives(suite, hostArchitecture(), readAptSources(), hostCodename("ubuntu")),
};

/** Of the host's packages alone: keys that come by the same way as what they are to check would prove nothing. */
export function ubuntuKeyring(path: string): string {
  if (existsSync(path)) return path;
  throw new EmberError(
    "host-unsupported",
    `the keys that Ubuntu signs its packages with are not here ('${path}')`,
    {
      hint: `install the package ${ubuntu.keyringPackage}; where there is none, copy that file from an Ubuntu that you trust`,
    },
  );
}

/** What a suite consists of, each part signed by itself. */
const pockets = ["", "-updates", "-security"];

const official: Readonly<Record<GuestArchitecture, string>> = {
  amd64: "http://archive.ubuntu.com/ubuntu",
  arm64: "http://ports.ubuntu.com/ubuntu-ports",
};

/**
 * The mirrors that the host's apt uses when the host is an Ubuntu (`codename` is its release), else Ubuntu's own. A mirror
 * holds all pockets, so that one which the host does without comes from there too.
 */
export function ubuntuArchives(
  suite: string,
  architecture: GuestArchitecture,
  sources: readonly AptSource[],
  codename: string | undefined,
): readonly Archive[] {
  const withMain = sources.filter(({ components }) => components.includes("main"));
  const mirror = (pocket: string): string | undefined =>
    codename === undefined
      ? undefined
      : mirrorOf(withMain, /\/ubuntu(-ports)?\/*$/, `${codename}${pocket}`)?.uri;
  const main = mirror("") ?? official[architecture];
  return pockets.map((pocket) => ({ uri: mirror(pocket) ?? main, suite: `${suite}${pocket}` }));
}
