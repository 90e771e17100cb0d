import { EmberError } from "../../errors/ember-error.ts";
import { shown } from "../reference.ts";
import { debian } from "./debian.ts";
import type { Distribution } from "./distribution.ts";
import { ubuntu } from "./ubuntu.ts";

const distributions: readonly Distribution[] = [debian, ubuntu];

export interface Release {
  readonly distribution: Distribution;
  readonly suite: string;
}

/** Reads "debian", "ubuntu:SUITE" and so on. Throws `unsupported` for other distributions, `invalid-reference`. */
export function parseRelease(text: string): Release {
  const [name, suite, ...rest] = text.split(":");
  const distribution = distributions.find((each) => each.name === name);
  if (distribution === undefined) {
    throw new EmberError("unsupported", `'${shown(text)}' cannot be made from packages`, {
      hint: "write 'debian' or 'ubuntu', or one of their suites: 'debian:SUITE'; others come from a registry: ember image pull",
    });
  }
  const { title, defaultSuite, suites } = distribution;
  if (rest.length > 0 || (suite !== undefined && !/^[a-z]{1,40}$/.test(suite))) {
    throw new EmberError("invalid-reference", `'${shown(text)}' does not name a suite of ${title}`, {
      hint: `write '${name}:' and a codename: ${suites}`,
    });
  }
  return { distribution, suite: suite ?? defaultSuite };
}

/** The name that an image of that release gets. */
export function nameOfRelease({ distribution: { name, defaultSuite }, suite }: Release): string {
  return suite === defaultSuite ? name : `${name}-${suite}`;
}
