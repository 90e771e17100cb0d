import { EmberError } from "../../errors/ember-error.ts";
import { fieldsOf, listObjects, loadRules, type NftObject } from "../../host/nft.ts";
import { run } from "../../host/run.ts";
import { together } from "../../host/together.ts";
import type { NetworkContext } from "../network.ts";
import { defaultInterfaces } from "./host-network.ts";
import type { NetworkNames } from "./names.ts";
import { permit, revoke } from "./permits.ts";
import {
  chainOf,
  type GuestRules,
  guestRules,
  isInPlace,
  type Outside,
  render,
  type TableRules,
  tableRules,
} from "./ruleset.ts";

/** Why the firewall cannot be used; undefined when it can. Changes nothing. */
export async function checkFirewall(names: NetworkNames): Promise<string | undefined> {
  try {
    await run("nft", ["-c", "-f", "-"], {
      input: render(tableRules(names, { interfaces: [], pinned: false })),
    });
    return undefined;
  } catch (error) {
    if (error instanceof EmberError) return `nft cannot load ember's rules: ${error.message}`;
    throw error;
  }
}

/**
 * Post-condition: the contract holds for the VM, and for all others of the installation, whatever became of the rules since
 * the last start. Idempotent.
 */
export async function addGuest(
  names: NetworkNames,
  context: NetworkContext,
  guest: GuestRules,
): Promise<void> {
  // Most often nothing is missing but the VM, so it is added while it is looked at whether all else is in place.
  const adding = loadRules(guestRules(names, guest)).then(
    () => true,
    () => false, // what is wrong shows again below
  );
  // All of the family, since nft reads the elements of sets as well when it is asked for one table (1.0.6).
  const listed = await listObjects(["ruleset", "inet", ";", "list", "chains"], { terse: true });
  const table = tableRules(names, outsideOf(context), context.subnet);
  const inPlace = isInPlace(
    table,
    listed.filter(({ fields }) => fields["table"] === names.table),
  );
  const added = await adding;
  const completing = added && inPlace ? Promise.resolve() : reload(names, table, guest);
  await together(completing, permit(names, listed));
}

/** Writes the table anew, with a guest that it may know already, perhaps with other ports and another policy. */
async function reload(names: NetworkNames, table: TableRules, guest: GuestRules): Promise<void> {
  await removeGuest(names, guest.tap);
  try {
    await loadRules(render(table) + guestRules(names, guest));
  } catch (error) {
    throw isTaken(error) ? portTaken(guest, error) : error;
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof EmberError && /file exists/i.test(error.message);
}

/** All that is left to clash with is the ports of another VM. */
function portTaken(guest: GuestRules, cause: unknown): EmberError {
  const ports = guest.ports.map((port) => `${port.hostAddress}:${port.hostPort}/${port.protocol}`).join(", ");
  return new EmberError("port-taken", `another VM publishes one of the ports ${ports}`, {
    hint: "publish the guest's port at another one",
    cause,
  });
}

function outsideOf({ outsideInterface }: NetworkContext): Outside {
  if (outsideInterface !== undefined) return { interfaces: [outsideInterface], pinned: true };
  return { interfaces: defaultInterfaces(), pinned: false };
}

/**
 * Post-condition: what the table holds of the VM is what `guest` says, whatever it was; open connections that are refused now
 * end. On error it is what it was. Throws `port-taken`.
 */
export async function replaceGuest(
  names: NetworkNames,
  context: NetworkContext,
  guest: GuestRules,
): Promise<void> {
  const table = tableRules(names, outsideOf(context), context.subnet);
  const removal = await removalOf(names, guest.tap);
  try {
    await loadRules(render(table) + removal + guestRules(names, guest));
  } catch (error) {
    throw isTaken(error) ? portTaken(guest, error) : error;
  }
}

/** Post-condition: the installation's table knows nothing of that TAP. Idempotent. */
export async function removeGuest(names: NetworkNames, tap: string): Promise<void> {
  const removal = await removalOf(names, tap);
  if (removal !== "") await loadRules(removal);
}

/** What takes a TAP out of the table; nothing when it is not in there. */
async function removalOf(names: NetworkNames, tap: string): Promise<string> {
  const { table } = names;
  const objects = await listObjects(["table", "inet", table]);
  if (objects.length === 0) return "";
  const address = addressOf(objects, tap);
  const lines: string[] = [];
  for (const object of objects.filter(({ kind }) => kind === "set" || kind === "map")) {
    for (const element of elementsOf(object)) {
      const words = wordsOf(element);
      const isOurs = words.key.includes(tap) || (address !== undefined && words.all.includes(address));
      if (isOurs)
        lines.push(
          `delete element inet ${table} ${String(object.fields["name"])} { ${words.key.join(" . ")} }`,
        );
    }
  }
  const own = objects.some(({ kind, fields }) => kind === "chain" && fields["name"] === chainOf(tap));
  if (own)
    lines.push(`flush chain inet ${table} ${chainOf(tap)}`, `delete chain inet ${table} ${chainOf(tap)}`);
  return lines.map((line) => `${line}\n`).join("");
}

function addressOf(objects: readonly NftObject[], tap: string): string | undefined {
  const guests = objects.find(({ kind, fields }) => kind === "set" && fields["name"] === "guests");
  if (guests === undefined) return undefined;
  return elementsOf(guests)
    .map((element) => wordsOf(element).key)
    .find(([name]) => name === tap)?.[1];
}

function elementsOf({ fields }: NftObject): readonly unknown[] {
  return Array.isArray(fields["elem"]) ? fields["elem"] : [];
}

/** An element of a set is its key; one of a map a pair of key and value. Concatenations are lists of their parts. */
function wordsOf(element: unknown): { readonly key: readonly string[]; readonly all: readonly string[] } {
  const [key, ...values] = Array.isArray(element) ? element.map(partsOf) : [partsOf(element)];
  return { key: key ?? [], all: [key ?? [], ...values].flat() };
}

function partsOf(value: unknown): string[] {
  if (typeof value === "string" || typeof value === "number") return [String(value)];
  const parts = fieldsOf(value)["concat"];
  return Array.isArray(parts) ? parts.map(String) : [];
}

/** TAPs that the table knows. */
export async function knownTaps(names: NetworkNames): Promise<readonly string[]> {
  return await tapsIn(names, "set", "guests");
}

/** Those whose connections are redirected to be inspected. */
export async function inspectedTaps(names: NetworkNames): Promise<readonly string[]> {
  return await tapsIn(names, "map", "inspected_tcp");
}

async function tapsIn(
  { table }: NetworkNames,
  kind: "set" | "map",
  name: string,
): Promise<readonly string[]> {
  const objects = await listObjects([kind, "inet", table, name]);
  const found = objects.find((object) => object.kind === kind);
  return found === undefined ? [] : elementsOf(found).flatMap((element) => wordsOf(element).key[0] ?? []);
}

/** Post-condition: nothing of the installation is left in the host's firewall. Idempotent. */
export async function removeTable(names: NetworkNames): Promise<void> {
  await revoke(names);
  // Added first, since deleting what is not there is an error.
  await loadRules(`add table inet ${names.table}\ndelete table inet ${names.table}\n`);
}
