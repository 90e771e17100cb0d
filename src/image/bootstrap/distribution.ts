import type { Archive } from "../../kernel/debian/archives.ts";

/** A distribution that `image bootstrap` makes from its packages: what of it differs from others of Debian's kind. */
export interface Distribution {
  /** As the command line has it; the host name in a VM too. */
  readonly name: string;
  /** As people write it. */
  readonly title: string;
  readonly defaultSuite: string;
  /** Codenames that it has, as examples. */
  readonly suites: string;
  /** The parts of an archive that packages are taken from. */
  readonly components: readonly string[];
  /** Says that /usr is merged, so that nothing need merge it any more; undefined where not every suite has such a package. */
  readonly mergedUsrPackage: string | undefined;
  /** Units beside those of the recipe that a VM has no use for. */
  readonly masked: readonly string[];
  /** Packages that bring its keys. */
  readonly keyringPackage: string;
  /** A file with the keys that its archives are signed with; `folder` may take one. Throws `host-unsupported` without any. */
  keyring(folder: string): string;
  /** Where the packages of a suite come from on this host: the suite itself first, then its corrections. */
  archives(suite: string): readonly Archive[];
}
