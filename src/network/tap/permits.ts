import { EmberError } from "../../errors/ember-error.ts";
import { changeFilter, hasLegacyFilter, type IptablesVariant, readFilter } from "../../host/iptables.ts";
import { fieldsOf, listObjects, loadRules, type NftObject } from "../../host/nft.ts";
import type { NetworkNames } from "./names.ts";

/**
 * Permission in other firewalls: what our own table lets pass, a chain of Docker, ufw, firewalld or the user may still
 * refuse, since an accept ends only its own chain. So each chain of theirs that packets of VMs meet, and that is not
 * empty, begins with rules of ours. They permit no more than our own table, which packets meet before.
 */
const hooks = ["forward", "input", "output"] as const;
type Hook = (typeof hooks)[number];

/** Post-condition: no firewall of the host refuses what our table lets pass. Idempotent. `listed` has all of its chains. */
export async function permit(names: NetworkNames, listed: readonly NftObject[]): Promise<void> {
  const chains = listed.filter((object) => object.kind === "chain" && isForeign(object));
  const foreign = [...new Map(chains.map((chain) => [placeOf(chain.fields), chain])).values()];
  if (foreign.some(isIptables)) await retried(() => permitIptables(names, "nft"));
  if (hasLegacyFilter()) await retried(() => permitIptables(names, "legacy"));
  for (const chain of foreign.filter((candidate) => !isIptables(candidate)))
    await retried(() => permitIn(names, chain));
}

/** Post-condition: nothing of ours is left in other firewalls. Idempotent. */
export async function revoke(names: NetworkNames): Promise<void> {
  const objects = await listObjects(["ruleset"], { terse: true });
  const ours = objects.filter(({ kind, fields }) => kind === "rule" && fields["comment"] === names.table);
  if (ours.length > 0) await loadRules(ours.map(({ fields }) => `delete rule ${ruleOf(fields)}\n`).join(""));
  const variants: IptablesVariant[] = hasLegacyFilter() ? ["nft", "legacy"] : ["nft"];
  for (const variant of variants) await revokeIptables(names, variant);
}

function isForeign({ fields }: NftObject): boolean {
  return (
    fields["type"] === "filter" &&
    hooks.some((hook) => hook === fields["hook"]) &&
    (fields["family"] === "ip" || fields["family"] === "inet") &&
    !String(fields["table"]).startsWith("ember_")
  );
}

/** Tables of iptables' nft implementation are changed by iptables, which would not understand rules of others. */
function isIptables({ fields }: NftObject): boolean {
  return fields["family"] === "ip" && fields["table"] === "filter" && /^[A-Z]+$/.test(String(fields["name"]));
}

async function permitIn({ table, prefix }: NetworkNames, chain: NftObject): Promise<void> {
  const { family, table: theirs, name, policy } = chain.fields;
  const place = [String(family), String(theirs), String(name)];
  const rules = (await listObjects(["chain", ...place])).filter(({ kind }) => kind === "rule");
  const ours = rules.filter(({ fields }) => fields["comment"] === table);
  const wanted = nativeRules(hookOf(chain), `${prefix}*`);
  if (rules.length === ours.length && policy !== "drop") return; // it refuses nothing
  const first = rules.slice(0, wanted.length).filter(({ fields }) => fields["comment"] === table);
  if (first.length === wanted.length && ours.length === wanted.length) return;
  const lines = [
    ...ours.map(({ fields }) => `delete rule ${ruleOf(fields)}`),
    ...wanted.map((rule) => `insert rule ${place.join(" ")} ${rule} comment "${table}"`),
  ];
  await loadRules(`${lines.join("\n")}\n`);
}

function hookOf({ fields }: NftObject): Hook {
  return hooks.find((hook) => hook === fields["hook"]) ?? "forward";
}

function nativeRules(hook: Hook, wildcard: string): readonly string[] {
  const from = `iifname "${wildcard}"`;
  const to = `oifname "${wildcard}"`;
  if (hook === "forward") return [`${from} accept`, `${to} accept`];
  return hook === "input"
    ? [`${from} ct state established,related accept`, `${from} ct status dnat accept`]
    : [`${to} accept`];
}

function placeOf({ family, table, name }: Readonly<Record<string, unknown>>): string {
  return `${family} ${table} ${name}`;
}

function ruleOf(fields: Readonly<Record<string, unknown>>): string {
  const { family, table, chain, handle } = fieldsOf(fields);
  return `${family} ${table} ${chain} handle ${handle}`;
}

/** Another start may change the same rules meanwhile: then what was read is no longer so, and is read again. */
async function retried(change: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await change();
      return;
    } catch (error) {
      if (attempt === attempts || !(error instanceof EmberError) || error.code !== "tool-failed") throw error;
    }
  }
}

const attempts = 10;

async function permitIptables(names: NetworkNames, variant: IptablesVariant): Promise<void> {
  const filter = await readFilter(variant);
  if (filter === undefined) return;
  // Docker leaves this chain to others, and asks it first, unless somebody has put a rule before.
  const dockerFirst = /-j DOCKER-USER$/.test(filter.rules.get("FORWARD")?.[0] ?? "");
  const forward = dockerFirst ? "DOCKER-USER" : "FORWARD";
  const lines: string[] = [];
  for (const [chain, wanted] of iptablesRules(names, forward)) {
    const rules = filter.rules.get(chain) ?? [];
    const ours = rules.filter((rule) => isOurs(rule, names));
    const base = chain === "DOCKER-USER" ? "FORWARD" : chain;
    const refusesNothing = rules.length === ours.length && filter.policies.get(base) === "ACCEPT";
    if (refusesNothing && chain !== "DOCKER-USER") continue;
    const inPlace =
      ours.length === wanted.length && rules.slice(0, wanted.length).every((rule) => isOurs(rule, names));
    if (inPlace) continue;
    lines.push(
      ...ours.map((rule) => `-D ${chain} ${rule}`),
      ...wanted.map((rule) => `-I ${chain} 1 ${rule}`),
    );
  }
  await changeFilter(variant, lines);
}

async function revokeIptables(names: NetworkNames, variant: IptablesVariant): Promise<void> {
  const filter = await readFilter(variant);
  if (filter === undefined) return;
  const lines = [...filter.rules].flatMap(([chain, rules]) =>
    rules.filter((rule) => isOurs(rule, names)).map((rule) => `-D ${chain} ${rule}`),
  );
  await changeFilter(variant, lines);
}

function isOurs(rule: string, { table }: NetworkNames): boolean {
  return new RegExp(`--comment "?${table}"?( |$)`).test(rule);
}

function iptablesRules(
  { table, prefix }: NetworkNames,
  forward: string,
): readonly (readonly [string, readonly string[]])[] {
  const accept = `-m comment --comment ${table} -j ACCEPT`;
  const [from, to] = [`-i ${prefix}+`, `-o ${prefix}+`];
  return [
    [forward, [`${from} ${accept}`, `${to} ${accept}`]],
    ["INPUT", [`${from} -m conntrack --ctstate RELATED,ESTABLISHED,DNAT ${accept}`]],
    ["OUTPUT", [`${to} ${accept}`]],
  ];
}
