import type { CreateVmOptions, EgressPolicy, PolicyOptions, PortMapping } from "../../types.ts";
import { type Defined, defined } from "../parser/defined.ts";
import type { SecretSource } from "./secret-values.ts";

/** What a file or the flags say about a new VM; what is undefined is left to the next source. */
export interface VmSettings {
  readonly name?: string | undefined;
  readonly image?: string | undefined;
  readonly cpus?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly diskBytes?: number | undefined;
  readonly kernel?: string | undefined;
  readonly network?: string | undefined;
  readonly ports?: readonly PortMapping[] | undefined;
  readonly egress?: EgressPolicy | undefined;
  readonly allowHosts?: readonly string[] | undefined;
  readonly denyHosts?: readonly string[] | undefined;
  readonly allowCidrs?: readonly string[] | undefined;
  readonly denyCidrs?: readonly string[] | undefined;
  readonly secrets?: readonly SecretSource[] | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly user?: string | undefined;
  readonly bootArguments?: string | undefined;
  /** Absolute path of a key whose public half may log in. */
  readonly sshKey?: string | undefined;
  /** Absolute path of a file for the image's cloud-init. */
  readonly userDataFile?: string | undefined;
}

/**
 * Later sources win. The environment is merged variable by variable; everything else, the list of ports included, is
 * taken whole from the last source that has it.
 */
export function mergeSettings(...sources: readonly VmSettings[]): VmSettings {
  let merged: VmSettings = {};
  for (const source of sources) {
    const environment = { ...merged.environment, ...source.environment };
    merged = { ...merged, ...defined(source), environment };
  }
  return merged;
}

/** The settings in the library's words, without name, image and secrets, whose values are read apart. */
export function toCreateOptions(
  settings: VmSettings,
): Defined<Pick<CreateVmOptions, "cpus" | "memoryBytes" | "diskBytes" | "kernel" | "network">> &
  Defined<Pick<CreateVmOptions, "ports" | "environment" | "user" | "bootArguments">> &
  Defined<PolicyOptions> {
  const { cpus, memoryBytes, diskBytes, kernel, bootArguments } = settings;
  const { network, ports, environment, user } = settings;
  const { egress, allowHosts, denyHosts, allowCidrs, denyCidrs } = settings;
  const policy = { egress, allowHosts, denyHosts, allowCidrs, denyCidrs };
  const machine = { cpus, memoryBytes, diskBytes, kernel, bootArguments };
  return defined({ ...machine, ...policy, network, ports, environment, user });
}
