import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import type { VmRecord } from "../state/vms.ts";
import type { HostPort, PortMapping } from "../types.ts";
import { changeNetwork, isAlive } from "./network-change.ts";
import { checkPorts, refuseTakenPorts } from "./ports.ts";

/**
 * Adds ports to those that the VM has, whose lease the caller holds; one that it has already stays as it is. Returns all. Throws
 * `port-taken`, naming who has it, `usage`, `permission-denied`, `unsupported`.
 */
export async function publishPorts(
  installation: Installation,
  vm: VmRecord,
  more: readonly PortMapping[],
): Promise<readonly PortMapping[]> {
  const fresh = more.filter((port) => !vm.ports.some((old) => isMeant(old, port)));
  if (fresh.length === 0) return vm.ports;
  const ports = checkPorts([...vm.ports, ...fresh], vm.networkMode);
  await refuseIfFixed(installation, vm);
  refuseTakenPorts(installation, { ...vm, ports: fresh });
  await changeNetwork(installation, vm, { ports }, "vm.published");
  return ports;
}

/** Takes ports from those that the VM has. Returns those left. Throws `usage` for one that it has not, `unsupported`. */
export async function unpublishPorts(
  installation: Installation,
  vm: VmRecord,
  which: readonly HostPort[],
): Promise<readonly PortMapping[]> {
  const unknown = which.find((wanted) => !vm.ports.some((port) => isMeant(port, wanted)));
  if (unknown !== undefined) {
    const present = vm.ports
      .map((port) => `${port.hostAddress}:${port.hostPort}/${port.protocol}`)
      .join(", ");
    const what = `${unknown.hostPort}/${unknown.protocol}`;
    throw new EmberError("usage", `VM '${vm.name}' does not publish port ${what}`, {
      hint: present === "" ? "it publishes none" : `it publishes ${present}`,
    });
  }
  await refuseIfFixed(installation, vm);
  const ports = vm.ports.filter((port) => !which.some((wanted) => isMeant(port, wanted)));
  await changeNetwork(installation, vm, { ports }, "vm.unpublished");
  return ports;
}

function isMeant(port: PortMapping, wanted: HostPort): boolean {
  const sameAddress = wanted.hostAddress === undefined || wanted.hostAddress === port.hostAddress;
  const sameTarget = wanted.guestPort === undefined || wanted.guestPort === port.guestPort;
  return port.protocol === wanted.protocol && port.hostPort === wanted.hostPort && sameAddress && sameTarget;
}

/** Throws `unsupported` for a VM that runs on a network whose ports are fixed at its start. */
async function refuseIfFixed(installation: Installation, vm: VmRecord): Promise<void> {
  const network = await installation.network();
  if (network.publish !== undefined || !isAlive(vm)) return;
  throw new EmberError(
    "unsupported",
    `the ${network.name} network cannot change the ports of a VM that runs`,
    {
      hint: `stop it first: 'ember vm stop ${vm.name}'`,
    },
  );
}
