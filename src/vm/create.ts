import { EmberError } from "../errors/ember-error.ts";
import { makeKeyPair } from "../guest/keys.ts";
import { ensureImage } from "../image/ensure.ts";
import { type Installation, newId } from "../installation.ts";
import { ensureKernel } from "../kernel/ensure.ts";
import { openPolicy } from "../policy/describe.ts";
import type { OperationData } from "../state/journal.ts";
import { findVm, type VmRecord } from "../state/vms.ts";
import type { CreateVmOptions, TaskOptions } from "../types.ts";
import { checkSubnet, macFor } from "./addresses.ts";
import { recordBootFailure } from "./boot.ts";
import { checkResources, defaultCpus, defaultMemoryBytes, diskSizeFor } from "./limits.ts";
import { checkVmName } from "./names.ts";
import { createOperation, type NewVm } from "./operations/create.ts";
import { choosePolicy, refuseSecrets, warnOfSecrets } from "./policy.ts";
import { checkPorts, refuseTakenPorts } from "./ports.ts";
import { checkRoot } from "./root.ts";
import { newSecrets, type StoredSecrets } from "./secrets.ts";
import { tellSiblings } from "./siblings.ts";
import { checkUserData, tellUnread } from "./user-data.ts";

/** Makes a VM from an image, pulling image and kernel as needed, and starts it unless `start` is false. */
export async function createVm(
  installation: Installation,
  options: CreateVmOptions & TaskOptions,
): Promise<VmRecord> {
  const name = checkVmName(options.name);
  refuseTaken(installation, name);
  const sizes = { cpus: options.cpus ?? defaultCpus, memoryBytes: options.memoryBytes ?? defaultMemoryBytes };
  checkResources(sizes, (await installation.hypervisor()).capabilities());
  const network = await placeOnNetwork(installation, options.network);
  const mode = network.networkMode;
  const driver = await installation.network();
  const policy = choosePolicy(options, { mode, network: driver, present: openPolicy }, installation.notice);
  refuseSecrets(options.secrets ?? [], mode, driver);
  const secrets = newSecrets(name, options.secrets ?? [], undefined);
  warnOfSecrets(policy, secrets?.secrets ?? [], installation.notice);
  const ports = checkPorts(options.ports ?? [], network.networkMode);
  if (options.start ?? true) refuseTakenPorts(installation, { id: "", ports });
  const image = await ensureImage(installation, options.image, options);
  const diskBytes = diskSizeFor(options.diskBytes, image.diskBytes);
  const kernel = await ensureKernel(installation, options.kernel, options);
  checkRoot(installation, kernel, image.fileSystem);
  const vm: NewVm = {
    ...newIdentity(name),
    ...sizes,
    ...network,
    name,
    imageId: image.id,
    imageName: image.name,
    diskBytes,
    kernel,
    bootArguments: checkBootArguments(options.bootArguments ?? ""),
    ports,
    policy,
    command: options.command ?? [],
    runCommand: options.runCommand ?? true,
    onExit: options.onExit ?? "stay",
    environment: options.environment ?? {},
    user: options.user ?? "root",
    authorizedKeys: options.authorizedKeys ?? [],
    userData: checkUserData(options.userData ?? ""),
    forkedFrom: null,
  };
  const made = await make(installation, vm, {}, { ...options, stored: secrets }, [
    `vm:${name}`,
    `image:${image.name}`,
  ]);
  tellUnread(installation, made);
  return made;
}

interface MakeOptions {
  readonly start?: boolean;
  readonly fullCopy?: boolean;
  /** The new VM's secrets. */
  readonly stored?: StoredSecrets | undefined;
}

/** Runs the operation that makes `vm`, and returns it. */
export async function make(
  installation: Installation,
  vm: NewVm,
  data: OperationData,
  options: MakeOptions & TaskOptions,
  leases: readonly string[],
): Promise<VmRecord> {
  const complete: OperationData = {
    ...data,
    vmId: vm.id,
    name: vm.name,
    start: (options.start ?? true) ? "yes" : "no",
    fullCopy: options.fullCopy === true ? "yes" : "no",
  };
  const subjects = [`vm:${vm.name}`];
  options.onProgress?.({ step: complete["start"] === "yes" ? "booting" : "cloning the disk" });
  await installation.holding(
    leases,
    `ember vm create ${vm.name}`,
    async () => {
      try {
        await installation.journal.execute(
          createOperation(vm, options.stored),
          subjects,
          installation,
          complete,
          options.signal,
        );
      } catch (error) {
        recordBootFailure(installation, vm.id, error);
        throw error;
      }
    },
    { signal: options.signal },
  );
  await tellSiblings(installation, options);
  const made = findVm(installation.db, vm.id);
  if (made === undefined)
    throw new EmberError("vm-not-found", `VM '${vm.name}' was deleted while it was being made`);
  return made;
}

/** Refuses before a pull is begun; the database's own check, when the VM is written down, is the one that counts. */
export function refuseTaken(installation: Installation, name: string): void {
  if (installation.db.get("SELECT 1 FROM vms WHERE name = ? AND visible = 1", name) === undefined) return;
  throw new EmberError("vm-exists", `a VM named '${name}' exists already`, {
    hint: `choose another name, or remove it with 'ember vm delete ${name}'`,
  });
}

export function newIdentity(
  name: string,
): Pick<VmRecord, "id" | "mac" | "hostKey" | "hostPublicKey" | "createdAt"> {
  const id = newId();
  const keys = makeKeyPair(`ember-${name}`);
  return {
    id,
    mac: macFor(id),
    hostKey: keys.privateKey,
    hostPublicKey: keys.publicKey,
    createdAt: new Date().toISOString(),
  };
}

export async function placeOnNetwork(
  installation: Installation,
  wanted: string | undefined,
): Promise<{ networkMode: "default" | "none"; subnet: string }> {
  const network = await installation.network();
  if (wanted === undefined || wanted === "default" || wanted === "none") {
    return { networkMode: wanted === "none" ? "none" : "default", subnet: installation.setting("subnet") };
  }
  checkSubnet(wanted, network.capabilities.blockPrefix);
  const clash = await network.subnetClash?.(wanted);
  if (clash === undefined) return { networkMode: "default", subnet: wanted };
  throw new EmberError("subnet-taken", `the subnet ${wanted} ${clash.why}`, {
    hint: clash.free === undefined ? "choose another" : `choose another, such as ${clash.free}`,
  });
}

/** Kernel arguments are words on one line: printable, and not those that ember itself must set. */
function checkBootArguments(text: string): string {
  if (text.length > 1024 || !/^[\x20-\x7e]*$/.test(text)) {
    throw new EmberError("usage", "the boot arguments hold characters that a kernel's command line cannot", {
      hint: "use printable ASCII, at most 1024 characters",
    });
  }
  return text;
}
