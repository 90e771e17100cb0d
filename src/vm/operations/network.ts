import { EmberError } from "../../errors/ember-error.ts";
import type { Installation } from "../../installation.ts";
import { recordEvent } from "../../state/events.ts";
import type { Operation, OperationData } from "../../state/journal.ts";
import { parsePolicy, parsePorts } from "../../state/stored-network.ts";
import { setVmNetwork, type VmRecord } from "../../state/vms.ts";
import { replaceSecrets, restoreSecrets, type StoredSecrets } from "../secrets.ts";
import { statusOf } from "../status.ts";
import { networkOf } from "../vm-network.ts";
import { required, requireVm, type VmStep, vmIdOf } from "./steps.ts";

/** What of a VM's network a command changes; what is undefined stays. */
export interface NetworkChange {
  readonly ports?: VmRecord["ports"];
  readonly policy?: VmRecord["policy"];
  /** Null takes all of them away. They are in no journal: the command that gives them is the only one that can. */
  readonly secrets?: StoredSecrets | null;
}

/**
 * Changes ports, policy and secrets of a VM: in its file, in the database, and in the network when it runs. Undone as a whole: the
 * network then gets once more what the database says, so that both are the same wherever it was cut short.
 */
export function networkOperation(change: NetworkChange = {}): Operation<Installation> {
  return {
    kind: "vm.network",
    recovery: "undo",
    steps: [agreeStep, secretsStep(change), recordStep, applyStep],
    conclude: (installation, data) =>
      recordEvent(installation.db, required(data, "event"), required(data, "name")),
  };
}

/** For the journal. Both sides of the change are there, so that another process can go back. */
export function networkData(
  vm: VmRecord,
  change: NetworkChange,
  hadSecrets: boolean,
  event: string,
): OperationData {
  return {
    vmId: vm.id,
    name: vm.name,
    event,
    before: JSON.stringify({ ports: vm.ports, policy: vm.policy }),
    after: JSON.stringify({ ports: change.ports ?? vm.ports, policy: change.policy ?? vm.policy }),
    parts: [
      ...(change.ports === undefined ? [] : ["ports"]),
      ...(change.policy === undefined && change.secrets === undefined ? [] : ["policy"]),
    ].join(","),
    hadSecrets: hadSecrets ? "yes" : "no",
  };
}

/** Does nothing but to be undone last, when file and database are again what they were. */
const agreeStep: VmStep = {
  name: "agree",
  run: async () => undefined,
  undo: async (installation, data) => {
    if (data["applying"] === "yes") await apply(installation, data);
  },
};

function secretsStep(change: NetworkChange): VmStep {
  return {
    name: "secrets",
    run: async (installation, data) => {
      if (change.secrets !== undefined)
        replaceSecrets(installation, vmIdOf(data), change.secrets ?? undefined);
      return undefined;
    },
    undo: async (installation, data) =>
      restoreSecrets(installation, vmIdOf(data), data["hadSecrets"] === "yes"),
  };
}

const recordStep: VmStep = {
  name: "record",
  run: async (installation, data) => {
    setVmNetwork(installation.db, vmIdOf(data), sideOf(data, "after"));
    return { applying: "yes" };
  },
  undo: async (installation, data) => setVmNetwork(installation.db, vmIdOf(data), sideOf(data, "before")),
};

const applyStep: VmStep = {
  name: "network",
  run: async (installation, data) => {
    await apply(installation, data);
    return undefined;
  },
};

/** Post-condition: the network of the VM, when it runs, is what the database says. */
async function apply(installation: Installation, data: OperationData): Promise<void> {
  const vm = requireVm(installation, data);
  const status = statusOf(vm);
  if (status !== "running" && status !== "paused") return;
  const network = await installation.network();
  const place = await networkOf(installation, vm);
  const parts = required(data, "parts").split(",");
  if (parts.includes("ports")) await network.publish?.(place);
  if (parts.includes("policy")) await network.applyPolicy?.(place);
}

function sideOf(data: OperationData, side: "before" | "after"): Pick<VmRecord, "ports" | "policy"> {
  const stored: unknown = JSON.parse(required(data, side));
  if (typeof stored !== "object" || stored === null || !("ports" in stored) || !("policy" in stored)) {
    throw new EmberError("internal", `the journal's '${side}' of a network is of another shape`);
  }
  return { ports: parsePorts(stored.ports), policy: parsePolicy(stored.policy) };
}
