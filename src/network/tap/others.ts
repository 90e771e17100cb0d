import { EmberError } from "../../errors/ember-error.ts";
import { fieldsOf, listObjects, type NftObject } from "../../host/nft.ts";
import type { NetworkNames } from "./names.ts";
import type { GuestRules } from "./ruleset.ts";

/** What the tables of this host's installations hold: ours, and those of others, who have no database in common. */

/** Throws `port-taken` when another VM of any installation publishes one of the ports. */
export async function refusePublished(names: NetworkNames, guest: GuestRules): Promise<void> {
  if (guest.ports.length === 0) return;
  const taken = (await listObjects(["maps"]))
    .filter(isEmbers)
    .flatMap((map) => publishedIn(map, names, guest));
  for (const port of guest.ports) {
    const clash = taken.find(
      (other) =>
        other.protocol === port.protocol &&
        other.port === port.hostPort &&
        (other.address === port.hostAddress || [other.address, port.hostAddress].includes(anyAddress)),
    );
    if (clash === undefined) continue;
    const who =
      clash.table === names.table
        ? "another VM"
        : `a VM of the ember installation ${clash.table.slice("ember_".length)}`;
    throw new EmberError("port-taken", `host port ${port.hostPort} is published by ${who}`, {
      hint: "publish the guest's port at another one",
    });
  }
}

const anyAddress = "0.0.0.0";

interface Published {
  readonly table: string;
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

function publishedIn(map: NftObject, names: NetworkNames, guest: GuestRules): Published[] {
  const match = /^(at|any)_(tcp|udp)$/.exec(String(map.fields["name"]));
  const elements = map.fields["elem"];
  if (match === null || !Array.isArray(elements)) return [];
  const isOurs = map.fields["table"] === names.table;
  return elements.flatMap((element: unknown): Published[] => {
    const [key, target] = Array.isArray(element) ? element.map(partsOf) : [];
    if (key === undefined || (isOurs && target?.[0] === guest.address)) return [];
    const [address = anyAddress, port] = match[1] === "any" ? [anyAddress, key[0]] : key;
    return [{ table: String(map.fields["table"]), protocol: match[2] ?? "", address, port: Number(port) }];
  });
}

/** Subnets of other installations whose VMs have been started since the host's boot, CIDR. */
export async function otherSubnets(names: NetworkNames): Promise<readonly string[]> {
  const sets = (await listObjects(["sets"])).filter(isEmbers);
  return sets
    .filter(({ fields }) => fields["name"] === "subnet" && fields["table"] !== names.table)
    .flatMap(({ fields }) => (Array.isArray(fields["elem"]) ? fields["elem"] : []))
    .flatMap((element: unknown) => {
      const prefix = fieldsOf(fieldsOf(element)["prefix"]);
      return typeof prefix["addr"] === "string" ? [`${prefix["addr"]}/${Number(prefix["len"])}`] : [];
    });
}

function isEmbers({ fields }: NftObject): boolean {
  return String(fields["table"]).startsWith("ember_");
}

function partsOf(value: unknown): string[] {
  if (typeof value === "string" || typeof value === "number") return [String(value)];
  const parts = fieldsOf(value)["concat"];
  return Array.isArray(parts) ? parts.map(String) : [];
}
