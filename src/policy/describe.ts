import type { AddressRule, EgressPolicy, HostRule, NetworkPolicy, PolicyRule } from "../types.ts";

export const openPolicy: NetworkPolicy = { default: "allow", rules: [] };

export function isHostRule(rule: PolicyRule): rule is HostRule {
  return "host" in rule;
}

export function isAddressRule(rule: PolicyRule): rule is AddressRule {
  return "cidr" in rule;
}

/** What `--egress` would say of the policy: the networks where these are all there is to it, else the default alone. */
export function egressOf(policy: NetworkPolicy): EgressPolicy {
  if (policy.default === "allow") return "all";
  const networks = policy.rules
    .filter(isAddressRule)
    .filter((rule) => rule.action === "allow" && rule.port === 0 && rule.protocol === "");
  if (networks.length === 0 || networks.length < policy.rules.length) return "none";
  return networks.map(({ cidr }) => cidr);
}

/** The rule without the flag: "*.npmjs.org", "10.0.0.0/8:5432/tcp". */
export function ruleOperand(rule: PolicyRule): string {
  return rule.text.slice(rule.text.indexOf(" ") + 1);
}

/** The policy as flags: what `vm create` or `vm update` would be given. */
export function policyFlags(policy: NetworkPolicy): readonly string[] {
  const open = policy.default === "allow";
  const allowsSome = policy.rules.some(({ action }) => action === "allow");
  const implied = policy.rules.length > 0 && allowsSome !== open;
  return [...(implied ? [] : [`--egress ${open ? "all" : "none"}`]), ...policy.rules.map(({ text }) => text)];
}
