import { EmberError } from "../errors/ember-error.ts";
import type { Network } from "../network/network.ts";
import { isHostRule, openPolicy } from "../policy/describe.ts";
import { composePolicy } from "../policy/policy.ts";
import { policyWarnings, secretWarnings } from "../policy/warnings.ts";
import type { NetworkPolicy, PolicyOptions, SecretOptions, SecretSummary } from "../types.ts";

/**
 * The policy that a VM is to have: what the options say, as a whole, else `present`. Warnings go to `notice`. Throws `usage`, and
 * `unsupported` for what the network cannot hold.
 */
export function choosePolicy(
  options: PolicyOptions,
  place: { readonly mode: "default" | "none"; readonly network: Network; readonly present: NetworkPolicy },
  notice: (line: string) => void,
): NetworkPolicy {
  const { mode, network, present } = place;
  const asked = composePolicy(options);
  if (mode === "none") {
    if (asked === undefined || isOpen(asked)) return openPolicy;
    throw new EmberError("usage", "a VM without a network has no way out that could be limited", {
      hint: "leave out either --network none or the policy",
    });
  }
  const policy = asked ?? present;
  if (asked !== undefined && options.egress === undefined) refuseOpening(asked, present);
  refuseUnsupported(policy, network);
  if (asked !== undefined) for (const warning of policyWarnings(asked)) notice(warning);
  return policy;
}

function isOpen(policy: NetworkPolicy): boolean {
  return policy.default === "allow" && policy.rules.length === 0;
}

/** A `--deny-host` alone would replace a policy that refuses by one that allows. */
function refuseOpening(asked: NetworkPolicy, present: NetworkPolicy): void {
  if (asked.default !== "allow" || present.default !== "refuse") return;
  throw new EmberError(
    "usage",
    "what is refused does not say whether the rest is allowed, which it is not now",
    {
      hint: "say --egress all or --egress none, and all rules that are to hold: a policy is replaced as a whole",
    },
  );
}

function refuseUnsupported(policy: NetworkPolicy, network: Network): void {
  const { policies } = network.capabilities;
  if (policies === "names") return;
  const named = policy.rules.find(isHostRule);
  const rule = policies === "none" ? policy.rules[0] : named;
  if (rule === undefined) return;
  const what =
    policies === "none"
      ? "limits a VM's way out to all or nothing"
      : "sees addresses, not the names of hosts";
  const ways = policies === "none" ? "use --egress all or none" : "use --allow-cidr and --deny-cidr";
  throw new EmberError("unsupported", `the ${network.name} network ${what}: it cannot hold '${rule.text}'`, {
    hint: `${ways}, or an installation with the user network ('ember init --network user'), which can`,
  });
}

/** Tells of secrets that the policy keeps from their hosts. */
export function warnOfSecrets(
  policy: NetworkPolicy,
  secrets: readonly SecretSummary[],
  notice: (line: string) => void,
): void {
  for (const warning of secretWarnings(policy, secrets)) notice(warning);
}

/** Throws `unsupported` when the network cannot put secrets into requests, `usage` for a VM without a network. */
export function refuseSecrets(
  secrets: readonly SecretOptions[],
  mode: "default" | "none",
  network: Network,
): void {
  if (secrets.length === 0) return;
  if (mode === "none") {
    throw new EmberError("usage", "a VM without a network sends no requests that secrets could go into", {
      hint: "leave out either --network none or --secret",
    });
  }
  if (network.capabilities.policies === "names") return;
  throw new EmberError("unsupported", `the ${network.name} network cannot put secrets into requests`, {
    hint: "use an installation with the user network ('ember init --network user'), which can",
  });
}
