import { EmberError } from "../errors/ember-error.ts";
import type { NetworkPolicy, PolicyOptions, PolicyRule } from "../types.ts";
import { parseAddressRule } from "./address-rule.ts";
import { parseHostRule } from "./host-rule.ts";

const mostRules = 256;

/**
 * The policy that the options describe; undefined when they say nothing of one. With something allowed and no `egress` the rest is
 * refused. No rule is there twice. Throws `usage`.
 */
export function composePolicy(options: PolicyOptions): NetworkPolicy | undefined {
  const { egress, allowHosts = [], denyHosts = [], allowCidrs = [], denyCidrs = [] } = options;
  const networks = typeof egress === "object" ? egress : [];
  if (typeof egress === "object" && networks.length === 0) {
    throw new EmberError("usage", "an egress policy names no network", {
      hint: "to allow nothing, say none",
    });
  }
  const rules: readonly PolicyRule[] = [
    ...allowHosts.map((text) => parseHostRule("allow", text)),
    ...networks.map((text) => parseAddressRule("allow", text, "--egress")),
    ...allowCidrs.map((text) => parseAddressRule("allow", text)),
    ...denyHosts.map((text) => parseHostRule("refuse", text)),
    ...denyCidrs.map((text) => parseAddressRule("refuse", text)),
  ];
  if (egress === undefined && rules.length === 0) return undefined;
  const unique = [...new Map(rules.map((rule) => [rule.text, rule])).values()];
  if (unique.length > mostRules) {
    throw new EmberError("usage", `a policy has at most ${mostRules} rules, not ${unique.length}`, {
      hint: "use wider networks, or names that begin with '*.'",
    });
  }
  const allowsSome = unique.some(({ action }) => action === "allow");
  const open = egress === undefined ? !allowsSome : egress === "all";
  return { default: open ? "allow" : "refuse", rules: unique };
}
