import { isIP } from "node:net";
import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { listVms, type VmRecord } from "../state/vms.ts";
import type { PortMapping } from "../types.ts";
import { statusOf } from "./status.ts";

/** What a range can come to: each is a socket of the host. */
const mostPorts = 1024;

/** Throws `usage` for ports that cannot be, are given twice, or belong to a VM without a network. */
export function checkPorts(ports: readonly PortMapping[], mode: "default" | "none"): readonly PortMapping[] {
  if (ports.length > 0 && mode === "none") {
    throw new EmberError("usage", "a VM without a network cannot publish ports", {
      hint: "leave out either --network none or -p",
    });
  }
  if (ports.length > mostPorts) {
    throw new EmberError("usage", `a VM publishes at most ${mostPorts} ports, not ${ports.length}`, {
      hint: "publish those that are needed, or use 'ember forward'",
    });
  }
  const seen = new Set<string>();
  for (const port of ports) {
    if (isIP(port.hostAddress) === 0) {
      throw new EmberError("usage", `'${port.hostAddress}' is not an address to publish at`, {
        hint: "use an address of this host, such as 127.0.0.1, or 0.0.0.0 for all",
      });
    }
    for (const number of [port.hostPort, port.guestPort]) {
      if (!Number.isInteger(number) || number < 1 || number > 65535) {
        throw new EmberError("usage", `${number} is not a port`, { hint: "ports are 1 to 65535" });
      }
    }
    const key = `${port.protocol} ${port.hostAddress}:${port.hostPort}`;
    if (seen.has(key)) {
      throw new EmberError("usage", `host port ${port.hostPort}/${port.protocol} is published twice`, {
        hint: "a host port leads to one port of one guest",
      });
    }
    seen.add(key);
  }
  return ports;
}

/** Throws `port-taken`, naming the VM, when a running VM of this installation publishes one of the ports. */
export function refuseTakenPorts(installation: Installation, vm: Pick<VmRecord, "id" | "ports">): void {
  for (const other of listVms(installation.db)) {
    if (other.id === vm.id || other.ports.length === 0 || statusOf(other) === "stopped") continue;
    if (other.runtime === null) continue;
    const clash = vm.ports.find((port) => other.ports.some((taken) => samePort(port, taken)));
    if (clash !== undefined) {
      throw new EmberError("port-taken", `host port ${clash.hostPort} is published by VM '${other.name}'`, {
        hint: `publish the guest's port at another one, or give this one back: 'ember vm unpublish ${other.name} ${clash.hostPort}'`,
      });
    }
  }
}

const anyAddress = ["", "0.0.0.0"];

/** Whether one of them keeps the other from being taken. */
export function samePort(a: PortMapping, b: PortMapping): boolean {
  const sameAddress =
    a.hostAddress === b.hostAddress ||
    anyAddress.includes(a.hostAddress) ||
    anyAddress.includes(b.hostAddress);
  return a.protocol === b.protocol && a.hostPort === b.hostPort && sameAddress;
}
