import { EmberError } from "../errors/ember-error.ts";
import type { HostList } from "../guest/control.ts";
import type { Installation } from "../installation.ts";
import { formatAddress4 } from "../network/ipv4.ts";
import type { NetworkCapabilities } from "../network/network.ts";
import type { Database } from "../state/database.ts";
import { integer, text } from "../state/row.ts";
import { readHostFact, writeHostFact } from "../state/settings.ts";
import { findVm, type VmRecord } from "../state/vms.ts";
import { agentTarget } from "./agent.ts";
import { statusOf } from "./status.ts";

/** The domain in which every VM has its name. */
export const vmDomain = "ember.internal";

/** What a guest's /etc/hosts says of another VM. */
export interface NamedHost {
  readonly name: string;
  readonly address: string;
}

export interface TellOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Names of the VMs that have been told just now, and of those that could not be. */
export interface Told {
  readonly told: readonly string[];
  readonly missed: readonly string[];
}

const tellAtOnce = 16;
/** A command that has done its work does not wait long for guests that do not answer: for one, and for all of them. */
const oneLimitMs = 3000;
const allLimitMs = 6000;

/** What all VMs may know of each other at one moment. */
interface Roster extends HostList {
  readonly digest: string;
}

/** Whether guests learn each other's names from the host, and not from a resolver. */
export function toldByHost({ siblings, names }: NetworkCapabilities): boolean {
  return siblings && names === "hosts";
}

/**
 * The other VMs that `vm` may know by name, for the identity that it boots with. Remembers that it has these, so that
 * `tellSiblings` leaves it alone until they change: to be called for a boot only.
 */
export async function siblingHosts(installation: Installation, vm: VmRecord): Promise<readonly NamedHost[]> {
  if (vm.networkMode === "none") return [];
  const roster = await takeRoster(installation, vm.id);
  rememberTold(installation.db, vm.id, roster);
  const own = hostName(vm.name);
  return roster.hosts.filter((host) => host.name !== own);
}

/**
 * Post-condition: the running VMs know the names and addresses of all VMs, as far as they answer within a short time.
 * The others are told at the next call, or boot with what is true then. Never throws: what the caller did is done, so
 * a failure is a line for `--verbose`.
 */
export async function tellSiblings(installation: Installation, options: TellOptions = {}): Promise<Told> {
  try {
    if (!toldByHost((await installation.network()).capabilities)) return { told: [], missed: [] };
    forgetDeleted(installation.db);
    const digest = await digestOf(await membersOf(installation));
    const behind = runningVms(installation).filter((id) => toldOf(installation.db, id)?.digest !== digest);
    if (behind.length === 0) return { told: [], missed: [] };
    return await tellAll(installation, behind, options.signal);
  } catch (error) {
    installation.verbose(`VMs were not told of each other: ${reasonOf(error)}`);
    return { told: [], missed: [] };
  }
}

async function tellAll(
  installation: Installation,
  ids: readonly string[],
  asked: AbortSignal | undefined,
): Promise<Told> {
  const roster = await takeRoster(installation);
  const overall = AbortSignal.timeout(allLimitMs);
  const signal = asked === undefined ? overall : AbortSignal.any([asked, overall]);
  const told: string[] = [];
  const missed: string[] = [];
  const waiting = [...ids];
  const tellInTurn = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const vm = findVm(installation.db, id);
      if (vm === undefined || statusOf(vm) !== "running") continue;
      try {
        if (await tellOne(installation, vm, roster, signal)) told.push(vm.name);
      } catch (error) {
        missed.push(vm.name);
        installation.verbose(`VM '${vm.name}' was not told of the other VMs: ${reasonOf(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(tellAtOnce, ids.length) }, tellInTurn));
  return { told, missed };
}

/** False when the VM has a later list. Throws `guest-unreachable`, `guest-failed`, `timeout`, `interrupted`. */
async function tellOne(
  installation: Installation,
  vm: VmRecord,
  roster: Roster,
  all: AbortSignal,
): Promise<boolean> {
  if (all.aborted) throw new EmberError("timeout", "the time for telling all of them was up");
  const { connectAgent } = await import("../guest/connect.ts");
  const { openControl } = await import("../guest/control.ts");
  const signal = AbortSignal.any([all, AbortSignal.timeout(oneLimitMs)]);
  await using agent = await connectAgent(agentTarget(installation, vm, "root"), {
    timeoutMs: oneLimitMs,
    signal,
    retry: false,
  });
  const hangUp = (): void => agent.close();
  signal.addEventListener("abort", hangUp, { once: true });
  try {
    await using control = await openControl(agent);
    // It may have been started anew since the list was read, with a later one.
    if ((toldOf(installation.db, vm.id)?.revision ?? 0) > roster.revision) return false;
    if (!(await control.setHosts(roster))) return false;
    rememberTold(installation.db, vm.id, roster);
    return true;
  } catch (cause) {
    throw signal.aborted ? new EmberError("timeout", "it did not answer in time", { cause }) : cause;
  } finally {
    signal.removeEventListener("abort", hangUp);
  }
}

/** Lists and revisions are in the same order, whatever other commands do meanwhile. */
async function takeRoster(installation: Installation, besides?: string): Promise<Roster> {
  const { capabilities } = await installation.network();
  const { hosts, revision } = installation.db.passing(() => ({
    hosts: readMembers(installation, capabilities.guestOffset, besides),
    revision: nextRevision(installation.db),
  }));
  return { hosts, revision, digest: await digestOf(hosts) };
}

async function membersOf(installation: Installation): Promise<NamedHost[]> {
  return readMembers(installation, (await installation.network()).capabilities.guestOffset, undefined);
}

/** All VMs with a network, by name; `besides` is the id of one that counts though it is still in the making. */
function readMembers(
  installation: Installation,
  guestOffset: number,
  besides: string | undefined,
): NamedHost[] {
  return installation.db
    .all(
      `SELECT name, block_base FROM vms WHERE network_mode = 'default' AND (visible = 1 OR id = ?) ORDER BY name`,
      besides ?? "",
    )
    .map((row) => ({
      name: hostName(text(row, "name")),
      address: formatAddress4(integer(row, "block_base") + guestOffset),
    }));
}

/** Ids of those that have a network and, as far as the database knows, run. */
function runningVms(installation: Installation): string[] {
  return installation.db
    .all(
      "SELECT id FROM vms WHERE network_mode = 'default' AND visible = 1 AND status = 'running' ORDER BY name",
    )
    .map((row) => text(row, "id"));
}

function hostName(vmName: string): string {
  return `${vmName}.${vmDomain}`;
}

async function digestOf(hosts: readonly NamedHost[]): Promise<string> {
  const lines = hosts.map((host) => `${host.address} ${host.name}\n`).join("");
  // Not node:crypto, which takes longer to load than this takes in all.
  return Buffer.from(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(lines))).toString("hex");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Which list of its siblings a running VM has. Kept with what is true until the host's next boot, which no VM outlives;
 * a start of the VM writes it anew.
 */
interface ToldList {
  readonly revision: number;
  readonly digest: string;
}

const revisionKey = "siblings-revision";
const toldPrefix = "siblings-told:";

/** Higher than every one before, those before the host's boot too (unless its clock went back). */
function nextRevision(db: Database): number {
  const last = Number(readHostFact(db, revisionKey) ?? 0);
  const revision = Math.max(last + 1, Date.now());
  writeHostFact(db, revisionKey, `${revision}`);
  return revision;
}

function toldOf(db: Database, vmId: string): ToldList | undefined {
  const [revision, digest] = (readHostFact(db, `${toldPrefix}${vmId}`) ?? "").split(" ");
  return digest === undefined ? undefined : { revision: Number(revision), digest };
}

/** Post-condition: the VM counts as having this list, or a later one. */
function rememberTold(db: Database, vmId: string, list: ToldList): void {
  db.passing(() => {
    if ((toldOf(db, vmId)?.revision ?? 0) > list.revision) return;
    writeHostFact(db, `${toldPrefix}${vmId}`, `${list.revision} ${list.digest}`);
  });
}

/** Post-condition: nothing is remembered of VMs that are gone. */
function forgetDeleted(db: Database): void {
  const gone = "key GLOB ? AND substr(key, ?) NOT IN (SELECT id FROM vms)";
  const values = [`${toldPrefix}*`, toldPrefix.length + 1] as const;
  if (db.get(`SELECT 1 FROM host_facts WHERE ${gone}`, ...values) === undefined) return;
  db.run(`DELETE FROM host_facts WHERE ${gone}`, ...values);
}
