import { rmSync } from "node:fs";
import { join } from "node:path";
import { together } from "../../host/together.ts";
import type { Accelerator, DriveSpec } from "../../hypervisor/hypervisor.ts";
import { ensureRuntimeFolder, type Installation } from "../../installation.ts";
import type { Attachment } from "../../network/network.ts";
import { recordEvent } from "../../state/events.ts";
import type { Operation, OperationData } from "../../state/journal.ts";
import { setVmHalted, setVmRunning, type VmRecord } from "../../state/vms.ts";
import { chooseAccelerator } from "../acceleration.ts";
import { clientPublicKey } from "../agent.ts";
import { awaitAgent } from "../boot.ts";
import { identityOf } from "../identity.ts";
import { imageOf } from "../root.ts";
import { readSecrets } from "../secrets.ts";
import { siblingHosts, toldByHost } from "../siblings.ts";
import { userIdOf } from "../users.ts";
import { networkOf } from "../vm-network.ts";
import { settleAddress } from "./settle-address.ts";
import { killMachine, requireVm, type VmStep, vmIdOf } from "./steps.ts";

export const consoleLog = "console.log";

/** Gives the VM a hypervisor and its address, and waits for its agent. What it takes is given back when it fails. */
export const startSteps: readonly VmStep[] = [
  {
    name: "hypervisor",
    run: async (installation, data, signal) => {
      const vm = await settleAddress(installation, requireVm(installation, data));
      // Attaching waits for programs of the host most of the time. It throws for a published port that is taken.
      const [attaching, preparing] = [attach(installation, vm), prepare(installation, vm, signal)];
      await together(attaching, preparing);
      await launch(installation, vm, await attaching, await preparing, signal);
      return undefined;
    },
    undo: async (installation, data) => {
      await killMachine(installation, vmIdOf(data));
      await (await installation.storage()).deactivate({ vmId: vmIdOf(data) });
      removeInitrd(installation, vmIdOf(data));
      await (await installation.network()).detach(vmIdOf(data));
      setVmHalted(installation.db, vmIdOf(data), data["startedBefore"] === "yes" ? "stopped" : "created");
    },
  },
  {
    name: "agent",
    run: async (installation, data, signal) => {
      const vm = requireVm(installation, data);
      await awaitAgent(installation, vm, signal);
      // It holds the guest's private host key and is not needed once the kernel has unpacked it.
      removeInitrd(installation, vm.id);
      recordEvent(installation.db, "vm.started", vm.name);
      return undefined;
    },
  },
];

export const startOperation: Operation<Installation> = {
  kind: "vm.start",
  recovery: "undo",
  steps: startSteps,
};

async function attach(installation: Installation, vm: VmRecord): Promise<Attachment> {
  const network = await installation.network();
  return await network.attach(await networkOf(installation, vm));
}

/** What a boot needs that does not depend on the network; the initrd's base is in its place. */
interface Prepared {
  readonly accelerator: Accelerator;
  readonly kernelPath: string;
  readonly drive: DriveSpec;
}

async function prepare(
  installation: Installation,
  vm: VmRecord,
  signal: AbortSignal | undefined,
): Promise<Prepared> {
  const { getKernel } = await import("../../kernel/store.ts");
  const { baseInitrd } = await import("../../kernel/initrd.ts");
  const { kernelImageFor } = await import("../../kernel/format/boot-file.ts");
  const kernel = getKernel(installation.paths, vm.kernel);
  const base = await baseInitrd(installation, kernel, imageOf(installation, vm).fileSystem);
  const accelerator = await chooseAccelerator(installation, kernel, base);
  const hypervisor = await installation.hypervisor(); // the choice may have fallen on another
  const storage = await installation.storage();
  const { beginInitrd } = await import("../../guest/initrd/compose.ts");
  await beginInitrd(base, initrdPath(installation, vm.id));
  return {
    accelerator,
    kernelPath: await kernelImageFor(kernel, hypervisor.capabilities().bootFile ?? "any", signal),
    drive: { ...(await storage.activate({ vmId: vm.id })), readOnly: false },
  };
}

async function launch(
  installation: Installation,
  vm: VmRecord,
  attachment: Attachment,
  { accelerator, kernelPath, drive }: Prepared,
  signal: AbortSignal | undefined,
): Promise<void> {
  await addIdentity(installation, vm, attachment);
  const containment = await installation.containment();
  const emulated = accelerator === "tcg";
  const hypervisor = await installation.hypervisor();
  const machine = await hypervisor.start(
    {
      vmId: vm.id,
      folder: installation.paths.vmFolder(vm.id),
      runtimeFolder: ensureRuntimeFolder(installation),
      accelerator,
      cpus: vm.cpus,
      memoryBytes: vm.memoryBytes,
      kernelPath,
      initrdPath: initrdPath(installation, vm.id),
      bootArguments: vm.bootArguments,
      drives: [drive],
      nic: attachment.nic,
      consoleLog,
      userId: userIdOf(installation, vm, hypervisor),
      controlGroup: containment?.prepare(vm.id, { memoryBytes: vm.memoryBytes, emulated }),
    },
    signal,
  );
  const agent = machine.agent ?? attachment.agent;
  setVmRunning(installation.db, vm.id, { process: machine.process, accelerator, agent });
}

async function addIdentity(installation: Installation, vm: VmRecord, attachment: Attachment): Promise<void> {
  const { finishInitrd } = await import("../../guest/initrd/compose.ts");
  const { identityJson } = await import("../../guest/identity.ts");
  const stored = readSecrets(installation, vm.id);
  const { capabilities } = await installation.network();
  const identity = identityOf(
    vm,
    imageOf(installation, vm),
    attachment,
    (await installation.hypervisor()).capabilities(),
    clientPublicKey(installation),
    toldByHost(capabilities) ? await siblingHosts(installation, vm) : [],
    stored,
  );
  await finishInitrd(initrdPath(installation, vm.id), identityJson(identity));
}

function initrdPath(installation: Installation, vmId: string): string {
  return join(installation.paths.vmFolder(vmId), "initrd");
}

function removeInitrd(installation: Installation, vmId: string): void {
  rmSync(initrdPath(installation, vmId), { force: true });
}

/** What the start steps need of a VM, for the journal. */
export function startData(vm: VmRecord): OperationData {
  return { vmId: vm.id, name: vm.name, startedBefore: vm.startedAt === null ? "no" : "yes" };
}
