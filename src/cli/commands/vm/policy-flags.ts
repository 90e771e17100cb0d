import type { EgressPolicy, PolicyOptions } from "../../../types.ts";
import { type SecretSource, secretSources } from "../../config/secret-values.ts";
import type { Context } from "../../context.ts";
import type { Arguments } from "../../parser/arguments.ts";
import { type Defined, defined } from "../../parser/defined.ts";
import { type Flag, list, value } from "../../parser/flag.ts";
import { addressRule, egressPolicy, hostRule } from "../../parser/policy.ts";
import { type SecretFlag, type SecretHostFlag, secret, secretHost } from "../../parser/secret.ts";

/** The flags that say what a VM may reach, and which secrets its requests get. */
export interface PolicyFlags {
  readonly flags: readonly Flag<unknown>[];
  /** What was said; without anything, empty. */
  policyOf(args: Arguments): Defined<PolicyOptions>;
  /** Undefined when none was given. Throws `usage`. */
  secretsOf(args: Arguments, context: Context): readonly SecretSource[] | undefined;
}

export function policyFlags(defaultText: string): PolicyFlags {
  const egress: Flag<EgressPolicy | undefined> = value(
    "egress",
    "POLICY",
    egressPolicy,
    "what no rule decides: all or none; or the networks that it may connect to (CIDR,...)",
    { default: defaultText, complete: ["all", "none"] },
  );
  const allowHost = rules(
    "allow-host",
    "HOST[:PORT]",
    hostRule("allow"),
    "allow a host, or '*.' and a suffix",
  );
  const denyHost = rules(
    "deny-host",
    "HOST[:PORT]",
    hostRule("refuse"),
    "refuse a host, or '*.' and a suffix",
  );
  const allowCidr = rules("allow-cidr", "CIDR[:PORT][/udp]", addressRule("allow"), "allow a network");
  const denyCidr = rules("deny-cidr", "CIDR[:PORT][/udp]", addressRule("refuse"), "refuse a network");
  const secrets: Flag<readonly SecretFlag[]> = list(
    "secret",
    "NAME=FROM",
    secret,
    "put @FILE's or env:VARIABLE's content into requests; the guest has a placeholder in $NAME",
  );
  const secretHosts: Flag<readonly SecretHostFlag[]> = list(
    "secret-host",
    "[NAME=]HOST",
    secretHost,
    "a host that gets the secrets, or the one of that name",
  );
  return {
    flags: [egress, allowHost, denyHost, allowCidr, denyCidr, secrets, secretHosts],
    policyOf: (args) =>
      defined({
        egress: args.get(egress),
        allowHosts: unlessEmpty(args.get(allowHost)),
        denyHosts: unlessEmpty(args.get(denyHost)),
        allowCidrs: unlessEmpty(args.get(allowCidr)),
        denyCidrs: unlessEmpty(args.get(denyCidr)),
      }),
    secretsOf: (args, context) => secretSources(args.get(secrets), args.get(secretHosts), context),
  };
}

const rules = (
  name: string,
  placeholder: string,
  parser: (text: string, what: string) => string,
  summary: string,
): Flag<readonly string[]> => list(name, placeholder, parser, summary);

function unlessEmpty<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length === 0 ? undefined : items;
}
