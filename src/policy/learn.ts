import type { NetworkFlow, NetworkPolicy, PolicyRule } from "../types.ts";
import { parseAddress } from "./address.ts";
import { parseAddressRule } from "./address-rule.ts";
import { canonicalHost, parseHostRule } from "./host-rule.ts";

/**
 * The policy that allows exactly what was reached, and refuses the rest: a rule for each name and port, and where no name is known
 * for each address, port and protocol. No pattern stands for several names, since it would allow more. What was only asked for
 * is nothing that was reached.
 */
export function learnPolicy(flows: readonly NetworkFlow[]): NetworkPolicy {
  const reached = flows.filter(({ verdict, protocol }) => verdict === "allowed" && protocol !== "dns");
  const rules = reached.flatMap((flow) => ruleFor(flow) ?? []);
  const unique = new Map(rules.map((rule) => [rule.text, rule]));
  // A name that was reached at any port needs no rule for one of them.
  const kept = [...unique.values()].filter((rule) => rule.port === 0 || !unique.has(withoutPort(rule)));
  return { default: "refuse", rules: kept.sort((a, b) => (a.text < b.text ? -1 : 1)) };
}

function withoutPort(rule: PolicyRule): string {
  return "host" in rule ? `--allow-host ${rule.host}` : "";
}

function ruleFor({ name, address, port, protocol }: NetworkFlow): PolicyRule | undefined {
  const host = name === "" ? undefined : canonicalHost(name);
  // A name that ends in a number cannot be a rule's, whatever a client says.
  if (host !== undefined && !/(^|\.)\d+$/.test(host)) {
    return parseHostRule("allow", port === 0 ? host : `${host}:${port}`);
  }
  const parsed = parseAddress(address);
  if (parsed === undefined) return undefined;
  const network = parsed.family === 4 ? `${address}/32` : `[${address}/128]`;
  const suffix = `${port === 0 ? "" : `:${port}`}${protocol === "tcp" || protocol === "udp" ? `/${protocol}` : ""}`;
  return parseAddressRule("allow", `${network}${suffix}`);
}
