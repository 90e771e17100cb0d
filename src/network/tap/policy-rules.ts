import { EmberError } from "../../errors/ember-error.ts";
import type { NetworkPolicy, PolicyAction, PolicyRule } from "../policy.ts";

type AddressRule = Extract<PolicyRule, { cidr: string }>;

/**
 * What of the table holds a policy: a chain that all VMs with it share, or the rules of one of its own. Siblings are always
 * reached, and the resolvers where there is anywhere to go. Guests have no IPv6 here, so rules about that are left out. Throws
 * `unsupported` for a rule about a host's name.
 */
export function policyRules(
  policy: NetworkPolicy,
  resolvers: readonly string[],
): "anywhere" | "siblings" | readonly string[] {
  const rules = policy.rules.map(addressRule).filter(({ cidr }) => !cidr.includes(":"));
  const open = policy.default === "allow";
  const allowed = open ? [] : matchesOf(rules, "allow");
  if (!open && allowed.length === 0) return "siblings";
  const refused = matchesOf(rules, "refuse");
  if (open && refused.length === 0) return "anywhere";
  return [
    "jump siblings_first",
    `ip daddr { ${resolvers.join(", ")} } meta l4proto { tcp, udp } th dport 53 goto outside`,
    ...refused.map((match) => `${match} goto refused`),
    ...allowed.map((match) => `${match} goto outside`),
    open ? "goto outside" : "goto refused",
  ];
}

/**
 * The same for a VM whose connections and questions are inspected: what is left are datagrams, which only rules about addresses
 * can allow, and pings. QUIC would pass the inspection by, so it needs a rule of its own.
 */
export function inspectedRules(policy: NetworkPolicy): readonly string[] {
  const rules = policy.rules.filter((rule) => "cidr" in rule).filter(({ cidr }) => !cidr.includes(":"));
  const open = policy.default === "allow";
  return [
    "jump siblings_first",
    ...matchesOf(rules, "refuse").map((match) => `${match} goto refused`),
    ...matchesOf(rules, "allow").map((match) => `${match} goto outside`),
    ...(open ? ["udp dport 443 goto refused", "goto outside"] : ["goto refused"]),
  ];
}

function addressRule(rule: PolicyRule): AddressRule {
  if ("cidr" in rule) return rule;
  throw new EmberError(
    "unsupported",
    `the tap network cannot hold '${rule.text}': it sees addresses, not names`,
    {
      hint: "use --allow-cidr and --deny-cidr, or an installation with the user network ('ember init --network user')",
    },
  );
}

/** One match for all rules of the same port and protocol: the kernel looks an address up among any number of networks. */
function matchesOf(rules: readonly AddressRule[], action: PolicyAction): readonly string[] {
  const groups = new Map<string, string[]>();
  for (const rule of rules.filter((candidate) => candidate.action === action)) {
    const what = portMatch(rule);
    groups.set(what, [...(groups.get(what) ?? []), rule.cidr]);
  }
  return Array.from(groups, ([what, networks]) => `ip daddr { ${networks.join(", ")} }${what}`);
}

function portMatch({ port, protocol }: AddressRule): string {
  if (protocol === "" && port === 0) return "";
  const protocols = protocol === "" ? "{ tcp, udp }" : protocol;
  return ` meta l4proto ${protocols}${port === 0 ? "" : ` th dport ${port}`}`;
}
