import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { formatAddress4 } from "../network/ipv4.ts";
import { getVm, listVms, type VmRecord } from "../state/vms.ts";
import type { SecretSummary, VmDetails, VmNetworkStatus, VmStats, VmSummary } from "../types.ts";
import { withAgent } from "./agent.ts";
import { machineOf, statusOf } from "./status.ts";
import { toDetails, toSummary, type ViewContext } from "./view.ts";

/** All VMs, by name. Reads the database only, unless `usage` asks for what the disks occupy. */
export async function listSummaries(
  installation: Installation,
  options: { readonly usage?: boolean } = {},
): Promise<VmSummary[]> {
  const vms = listVms(installation.db);
  if (vms.length === 0) return [];
  const context = await viewContext(installation, vms);
  const summaries = vms.map((vm) => toSummary(vm, context));
  if (options.usage !== true) return summaries;
  const storage = await installation.storage();
  return await Promise.all(
    summaries.map(async (summary) => ({
      ...summary,
      usedBytes: await storage.occupiedBytes({ vmId: summary.id }),
    })),
  );
}

export async function inspectVm(installation: Installation, name: string): Promise<VmDetails> {
  const vm = getVm(installation.db, name);
  const context = await viewContext(installation, vm.forkedFrom === null ? [] : listVms(installation.db));
  const details = toDetails(vm, context, {
    diskPath: (await installation.storageDriver()).locate({ vmId: vm.id }).path,
    folder: installation.paths.vmFolder(vm.id),
    secrets: await secretsOf(installation, vm.id),
  });
  const guestIp = await seenAddress(installation, vm);
  return guestIp === undefined ? details : { ...details, network: { ...details.network, guestIp } };
}

/** Names and hosts only. Most VMs have none, and then nothing is loaded for that. */
async function secretsOf(installation: Installation, vmId: string): Promise<readonly SecretSummary[]> {
  if (!existsSync(join(installation.paths.vmFolder(vmId), "secrets.json"))) return [];
  const { readSecrets } = await import("./secrets.ts");
  return (readSecrets(installation, vmId)?.secrets ?? []).map(({ name, hosts }) => ({ name, hosts }));
}

/**
 * Where the host has seen the VM, when it is not at the address that it was given: a guest's own system may ask the
 * network for another. Undefined where VMs are alone in their network.
 */
async function seenAddress(installation: Installation, vm: VmRecord): Promise<string | undefined> {
  const { surroundings } = await installation.network();
  if (surroundings === undefined || vm.networkMode === "none" || statusOf(vm) !== "running") return undefined;
  const { holders } = await surroundings();
  if (holders.get(vm.blockBase) === vm.mac) return undefined;
  const seen = Array.from(holders).find(([, mac]) => mac === vm.mac);
  return seen === undefined ? undefined : formatAddress4(seen[0]);
}

async function viewContext(installation: Installation, vms: readonly VmRecord[]): Promise<ViewContext> {
  const network = await installation.network();
  return {
    hypervisor: installation.setting("hypervisor"),
    storage: installation.storageConfig.driver,
    addressing: network.capabilities,
    names: new Map(vms.map((vm) => [vm.id, vm.name])),
  };
}

const pollMs = 100;

/** Throws `timeout`, `interrupted`, `vm-not-found` when the VM is deleted meanwhile. */
export async function waitForVm(
  installation: Installation,
  name: string,
  state: "ready" | "stopped",
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const deadline = performance.now() + (options.timeoutMs ?? Number.POSITIVE_INFINITY);
  for (;;) {
    const vm = getVm(installation.db, name);
    if (state === "stopped" ? isHalted(vm) : await isReady(installation, vm, options.signal)) return;
    if (performance.now() >= deadline) {
      throw new EmberError(
        "timeout",
        `VM '${name}' is ${statusOf(vm)}, not ${state}, after ${(options.timeoutMs ?? 0) / 1000} s`,
        {
          hint: `see what it does with 'ember vm logs ${name} --console', or wait longer with --timeout`,
        },
      );
    }
    await sleep(pollMs, undefined, { signal: options.signal }).catch(() => {
      throw new EmberError("interrupted", `interrupted while waiting for VM '${name}'`);
    });
  }
}

function isHalted(vm: VmRecord): boolean {
  const status = statusOf(vm);
  return status !== "running" && status !== "paused";
}

async function isReady(
  installation: Installation,
  vm: VmRecord,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (statusOf(vm) !== "running") return false;
  try {
    await withAgent(installation, vm, { timeoutMs: 5000, signal }, async () => undefined);
    return true;
  } catch (error) {
    if (error instanceof EmberError && error.code === "guest-unreachable") return false;
    throw error;
  }
}

/** How long a guest may take to tell its numbers; a slower one is shown without them. */
const metricsLimitMs = 5000;

export async function vmStats(installation: Installation, names: readonly string[] = []): Promise<VmStats[]> {
  const vms =
    names.length === 0 ? listVms(installation.db) : names.map((name) => getVm(installation.db, name));
  const counted = vms.length === 0 ? [] : ((await (await installation.network()).status?.())?.vms ?? []);
  const counts = new Map(counted.map((each) => [each.id, each]));
  return await Promise.all(vms.map((vm) => statsOf(installation, vm, counts.get(vm.id))));
}

async function statsOf(
  installation: Installation,
  vm: VmRecord,
  counted: VmNetworkStatus | undefined,
): Promise<VmStats> {
  const status = statusOf(vm);
  const unknown = { cpuSeconds: null, hostMemoryBytes: null, io: null, network: null, guest: null };
  const nothing = { name: vm.name, status, ...unknown };
  if (vm.runtime === null || (status !== "running" && status !== "paused")) return nothing;
  const hypervisor = await installation.hypervisor();
  const usage = await hypervisor.usage(machineOf(installation, vm, vm.runtime));
  return {
    ...nothing,
    cpuSeconds: usage?.cpuSeconds ?? null,
    hostMemoryBytes: usage?.residentBytes ?? null,
    io: usage?.io ?? null,
    network: counted === undefined ? null : countsOf(counted),
    guest: status === "running" ? await guestMetrics(installation, vm) : null,
  };
}

function countsOf(counted: VmNetworkStatus): VmStats["network"] {
  const { allowed, refused, spoofed, connections, receivedBytes, sentBytes } = counted;
  return { allowed, refused, spoofed, connections, receivedBytes, sentBytes };
}

async function guestMetrics(installation: Installation, vm: VmRecord): Promise<VmStats["guest"]> {
  const { openControl } = await import("../guest/control.ts");
  try {
    return await withAgent(installation, vm, { user: "root", timeoutMs: metricsLimitMs }, async (agent) => {
      await using control = await openControl(agent);
      const metrics = await control.metrics();
      return {
        loadAverage: metrics.loadAverage,
        memoryTotalBytes: metrics.memoryTotalBytes,
        memoryAvailableBytes: metrics.memoryAvailableBytes,
        diskTotalBytes: metrics.diskTotalBytes,
        diskUsedBytes: metrics.diskUsedBytes,
        receivedBytes: metrics.receivedBytes,
        sentBytes: metrics.sentBytes,
        processes: metrics.processes,
      };
    });
  } catch (error) {
    installation.verbose(`no numbers from '${vm.name}': ${error instanceof Error ? error.message : error}`);
    return null;
  }
}
