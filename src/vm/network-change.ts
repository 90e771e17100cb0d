import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { openPolicy } from "../policy/describe.ts";
import type { VmRecord } from "../state/vms.ts";
import type { PolicyOptions, SecretOptions, UpdateVmOptions } from "../types.ts";
import { type NetworkChange, networkData, networkOperation } from "./operations/network.ts";
import { choosePolicy, refuseSecrets, warnOfSecrets } from "./policy.ts";
import { newSecrets, readSecrets, settleSecrets } from "./secrets.ts";
import { statusOf } from "./status.ts";

/** Carries a change out; the caller holds the VM's lease. Throws what the network's `publish` and `applyPolicy` throw. */
export async function changeNetwork(
  installation: Installation,
  vm: VmRecord,
  change: NetworkChange,
  event: string,
): Promise<void> {
  settleSecrets(installation, vm.id); // of a change that was whole, but whose command was killed before this
  const hadSecrets = change.secrets !== undefined && readSecrets(installation, vm.id) !== undefined;
  const data = networkData(vm, change, hadSecrets, event);
  await installation.journal.execute(networkOperation(change), [`vm:${vm.name}`], installation, data);
  settleSecrets(installation, vm.id);
}

/** What of an update is about policy and secrets, checked; undefined when nothing is. Throws `usage`, `unsupported`. */
export async function networkChangeOf(
  installation: Installation,
  vm: VmRecord,
  options: UpdateVmOptions,
): Promise<NetworkChange | undefined> {
  const policy = await newPolicy(installation, vm, options);
  const { secrets } = options;
  if (policy === undefined && secrets === undefined) return undefined;
  const network = await installation.network();
  if (isAlive(vm) && network.applyPolicy === undefined) {
    throw new EmberError(
      "unsupported",
      `the ${network.name} network cannot change what a VM that runs may reach`,
      {
        hint: `stop it first: 'ember vm stop ${vm.name}'`,
      },
    );
  }
  const change: NetworkChange = {
    ...(policy === undefined ? {} : { policy }),
    ...(secrets === undefined ? {} : await secretsChange(installation, vm, secrets)),
  };
  const present = change.secrets === undefined ? readSecrets(installation, vm.id) : change.secrets;
  warnOfSecrets(change.policy ?? vm.policy, present?.secrets ?? [], installation.notice);
  return change;
}

async function newPolicy(
  installation: Installation,
  vm: VmRecord,
  options: PolicyOptions,
): Promise<VmRecord["policy"] | undefined> {
  const { egress, allowHosts, denyHosts, allowCidrs, denyCidrs } = options;
  const said = [allowHosts, denyHosts, allowCidrs, denyCidrs].some((list) => (list ?? []).length > 0);
  if (egress === undefined && !said) return undefined;
  const network = await installation.network();
  const place = {
    mode: vm.networkMode,
    network,
    present: vm.networkMode === "none" ? openPolicy : vm.policy,
  };
  return choosePolicy(options, place, installation.notice);
}

async function secretsChange(
  installation: Installation,
  vm: VmRecord,
  wanted: readonly SecretOptions[],
): Promise<Pick<NetworkChange, "secrets">> {
  refuseSecrets(wanted, vm.networkMode, await installation.network());
  const present = readSecrets(installation, vm.id);
  const secrets = newSecrets(vm.name, wanted, present);
  if (secrets !== undefined && present === undefined && isAlive(vm)) {
    installation.notice(
      `the guest of '${vm.name}' trusts the authority for its secrets from its next start on: ember vm restart ${vm.name}`,
    );
  }
  return { secrets: secrets ?? null };
}

export function isAlive(vm: VmRecord): boolean {
  const status = statusOf(vm);
  return status === "running" || status === "paused";
}
