import type { AddressRule, HostRule, NetworkPolicy, PolicyRule, SecretSummary } from "../types.ts";
import { contains, type IpNetwork, readNetwork } from "./address.ts";
import { isAddressRule, isHostRule } from "./describe.ts";

/** No VM reaches these, whatever its policy: the host's own, and those that lead to no one machine. */
const unreachable = [
  "127.0.0.0/8",
  "0.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "::1/128",
  "fe80::/10",
  "ff00::/8",
];

const siblingDomain = "ember.internal";

/** What of a policy cannot mean what it looks like: rules that others make pointless or contradict. One line each. */
export function policyWarnings(policy: NetworkPolicy): readonly string[] {
  return policy.rules.flatMap((rule, index) => {
    const others = policy.rules.filter((_, at) => at !== index);
    const found =
      futile(rule) ?? overruled(rule, others) ?? within(rule, others) ?? pointless(rule, policy, others);
    return found === undefined ? [] : [found];
  });
}

/** Secrets for hosts that the policy refuses, as far as names tell: their values never go anywhere. */
export function secretWarnings(policy: NetworkPolicy, secrets: readonly SecretSummary[]): readonly string[] {
  const { rules } = policy;
  const byAddress = rules.some((rule) => isAddressRule(rule) && rule.action === "allow");
  return secrets.flatMap(({ name, hosts }) =>
    hosts.flatMap((host) => {
      const asked: HostRule = { action: "allow", host, port: 443, text: "" };
      const refused = rules.find((rule) => rule.action === "refuse" && covers(rule, asked));
      const may = policy.default === "allow" || byAddress;
      if (refused !== undefined)
        return [`the secret '${name}' goes to '${host}', which '${refused.text}' refuses`];
      const allowed = may || rules.some((rule) => rule.action === "allow" && mayMeet(rule, asked));
      return allowed
        ? []
        : [`the secret '${name}' goes to '${host}', which no rule allows: add --allow-host ${host}`];
    }),
  );
}

function futile(rule: PolicyRule): string | undefined {
  if (isHostRule(rule)) {
    if (rule.host === siblingDomain || rule.host.endsWith(`.${siblingDomain}`)) {
      return `'${rule.text}' changes nothing: VMs of one installation always reach each other`;
    }
    const isLocal = rule.host === "localhost" || rule.host.endsWith(".localhost");
    return isLocal && rule.action === "allow" ? noWayToHost(rule) : undefined;
  }
  const network = networkOf(rule);
  const isOut = unreachable.some((text) => {
    const range = readNetwork(text);
    return range !== undefined && network !== undefined && contains(range, network);
  });
  return isOut && rule.action === "allow" ? noWayToHost(rule) : undefined;
}

function noWayToHost(rule: PolicyRule): string {
  return `'${rule.text}' changes nothing: no policy lets a VM reach this host, or addresses of one link`;
}

function overruled(rule: PolicyRule, others: readonly PolicyRule[]): string | undefined {
  if (rule.action !== "allow") return undefined;
  const stronger = others.find((other) => other.action === "refuse" && covers(other, rule));
  return stronger === undefined
    ? undefined
    : `'${rule.text}' allows nothing: '${stronger.text}' refuses all of it`;
}

function within(rule: PolicyRule, others: readonly PolicyRule[]): string | undefined {
  const wider = others.find((other) => other.action === rule.action && covers(other, rule));
  return wider === undefined ? undefined : `'${rule.text}' is inside '${wider.text}', and adds nothing to it`;
}

function pointless(
  rule: PolicyRule,
  policy: NetworkPolicy,
  others: readonly PolicyRule[],
): string | undefined {
  if (rule.action === "allow") {
    if (policy.default !== "allow") return undefined;
    return `'${rule.text}' adds nothing: everything is allowed that no rule refuses (--egress all)`;
  }
  if (policy.default === "allow") return undefined;
  const needed = others.some((other) => other.action === "allow" && mayMeet(rule, other));
  return needed ? undefined : `'${rule.text}' adds nothing: everything is refused that no rule allows`;
}

/** Whether all that `inner` fits, `outer` fits as well. */
function covers(outer: PolicyRule, inner: PolicyRule): boolean {
  if (outer.port !== 0 && outer.port !== inner.port) return false;
  if (isHostRule(outer)) return isHostRule(inner) && coversHost(outer, inner);
  if (!isAddressRule(inner) || (outer.protocol !== "" && outer.protocol !== inner.protocol)) return false;
  const [wide, narrow] = [networkOf(outer), networkOf(inner)];
  return wide !== undefined && narrow !== undefined && contains(wide, narrow);
}

function coversHost(outer: HostRule, inner: HostRule): boolean {
  return (
    outer.host === inner.host || (outer.host.startsWith("*.") && inner.host.endsWith(outer.host.slice(1)))
  );
}

/** Whether something may fit both. A name may lead to any address. */
function mayMeet(a: PolicyRule, b: PolicyRule): boolean {
  if (a.port !== 0 && b.port !== 0 && a.port !== b.port) return false;
  if (isHostRule(a) && isHostRule(b)) return coversHost(a, b) || coversHost(b, a);
  if (isHostRule(a) || isHostRule(b)) return true;
  if (a.protocol !== "" && b.protocol !== "" && a.protocol !== b.protocol) return false;
  const [one, other] = [networkOf(a), networkOf(b)];
  return one !== undefined && other !== undefined && (contains(one, other) || contains(other, one));
}

function networkOf({ cidr }: AddressRule): IpNetwork | undefined {
  return readNetwork(cidr);
}
