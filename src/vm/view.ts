import { join } from "node:path";
import { gatewayAddressOf, guestAddressOf } from "../network/addressing.ts";
import { formatAddress4 } from "../network/ipv4.ts";
import type { NetworkCapabilities } from "../network/network.ts";
import { egressOf } from "../policy/describe.ts";
import type { VmRecord } from "../state/vms.ts";
import type { SecretSummary, VmDetails, VmSummary } from "../types.ts";
import { statusOf } from "./status.ts";

/** What the summaries of all VMs have in common; read once for a whole list. */
export interface ViewContext {
  readonly hypervisor: string;
  readonly storage: string;
  readonly addressing: Pick<NetworkCapabilities, "guestOffset" | "gatewayOffset" | "shared">;
  /** Names by id, for showing where a fork came from. */
  readonly names: ReadonlyMap<string, string>;
}

export function toSummary(vm: VmRecord, context: ViewContext): VmSummary {
  const status = statusOf(vm);
  return {
    id: vm.id,
    name: vm.name,
    status,
    image: vm.imageName,
    cpus: vm.cpus,
    memoryBytes: vm.memoryBytes,
    diskBytes: vm.diskBytes,
    createdAt: vm.createdAt,
    startedAt: vm.startedAt,
    forkedFrom: vm.forkedFrom === null ? null : (context.names.get(vm.forkedFrom) ?? vm.forkedFrom),
    hypervisor: context.hypervisor,
    storage: context.storage,
    network: {
      mode: vm.networkMode,
      guestIp: formatAddress4(guestAddressOf(context.addressing, vm.blockBase)),
      hostIp: formatAddress4(gatewayAddressOf(context.addressing, vm.blockBase)),
      mac: vm.mac,
      ports: vm.ports,
      egress: egressOf(vm.policy),
      policy: vm.policy,
    },
    pid: status === "running" || status === "paused" ? (vm.runtime?.process.pid ?? null) : null,
  };
}

export function toDetails(
  vm: VmRecord,
  context: ViewContext,
  places: { diskPath: string; folder: string; secrets: readonly SecretSummary[] },
): VmDetails {
  return {
    ...toSummary(vm, context),
    kernel: vm.kernel,
    bootArguments: vm.bootArguments,
    command: vm.command,
    environment: vm.environment,
    user: vm.user,
    accelerator: vm.runtime?.accelerator ?? null,
    diskPath: places.diskPath,
    consoleLog: join(places.folder, "console.log"),
    secrets: places.secrets,
    lastError: vm.lastError,
  };
}
