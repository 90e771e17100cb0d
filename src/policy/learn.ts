import type { NetworkFlow, NetworkPolicy, PolicyRule } from "../types.ts";
import { parseAddress } from "./address.ts";
import { parseAddressRule } from "./address-rule.ts";
import { canonicalHost, parseHostRule } from "./host-rule.ts";

/**
 * The policy that allows exactly what was reached, and refuses the rest: a rule for each name and port, and where no name is known
 * for each address, port and protocol. No pattern stands for several names, since it would allow more. What was only asked for
 * is nothing that was reached. Rules about names are for TCP, so that UDP takes one about the address; the name's, which goes
 * with it, is for the question that leads there. No rule is for ping alone.
 */
export function learnPolicy(flows: readonly NetworkFlow[]): NetworkPolicy {
  const reached = flows.filter(({ verdict, protocol }) => verdict === "allowed" && protocol !== "dns");
  const rules = reached.flatMap(rulesFor);
  const unique = new Map(rules.map((rule) => [rule.text, rule]));
  // A name that was reached at any port needs no rule for one of them.
  const kept = [...unique.values()].filter((rule) => rule.port === 0 || !unique.has(withoutPort(rule)));
  return { default: "refuse", rules: kept.sort((a, b) => (a.text < b.text ? -1 : 1)) };
}

function withoutPort(rule: PolicyRule): string {
  return "host" in rule ? `--allow-host ${rule.host}` : "";
}

function rulesFor(flow: NetworkFlow): readonly PolicyRule[] {
  const named = nameRule(flow);
  if (flow.protocol === "tcp" && named !== undefined) return [named];
  return [named, addressRule(flow)].filter((rule) => rule !== undefined);
}

function nameRule({ name, port }: NetworkFlow): PolicyRule | undefined {
  const host = name === "" ? undefined : canonicalHost(name);
  return host === undefined ? undefined : parseHostRule("allow", port === 0 ? host : `${host}:${port}`);
}

function addressRule({ address, port, protocol }: NetworkFlow): PolicyRule | undefined {
  const parsed = parseAddress(address);
  if (parsed === undefined) return undefined;
  const network = parsed.family === 4 ? `${address}/32` : `[${address}/128]`;
  const suffix = `${port === 0 ? "" : `:${port}`}${protocol === "tcp" || protocol === "udp" ? `/${protocol}` : ""}`;
  return parseAddressRule("allow", `${network}${suffix}`);
}
