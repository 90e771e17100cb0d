import { EmberError } from "../../errors/ember-error.ts";
import type { DriveSpec, NicSpec } from "../hypervisor.ts";
import type { MachineModel } from "./machine.ts";
import { option } from "./option-text.ts";

/** Name of a virtio device on the machine's bus. */
function virtio(kind: string, model: MachineModel): string {
  return `virtio-${kind}-${model.bus === "pci" ? "pci" : "device"}`;
}

/** Transports of QEMU's microvm with one I/O APIC: the most devices that the machine takes. */
const mmioTransports = 8;

/**
 * Where a memory-mapped device goes. Said for each one because the guest finds the transports, and so names its
 * disks, from the last to the first.
 */
function place(model: MachineModel, index: number): { bus: string } | undefined {
  if (model.bus === "pci") return undefined;
  if (index >= mmioTransports) {
    throw new EmberError("unsupported", `a VM has at most ${mmioTransports} devices on this machine`);
  }
  return { bus: `virtio-mmio-bus.${mmioTransports - 1 - index}` };
}

/** Arguments for all of a VM's virtio devices: disks first and in order, then the rest. */
export function deviceArguments(
  drives: readonly DriveSpec[],
  nic: NicSpec | undefined,
  model: MachineModel,
  lockFiles: boolean,
): string[] {
  const disks = drives.flatMap((drive, index) => driveArguments(drive, index, model, lockFiles));
  const network = nic === undefined ? [] : nicArguments(nic, drives.length, model);
  const entropyPlace = place(model, drives.length + (nic === undefined ? 0 : 1));
  const entropy = option(virtio("rng", model), { rng: "rng0", ...entropyPlace });
  return [...disks, ...network, "-object", "rng-builtin,id=rng0", "-device", entropy];
}

/** What QEMU knows a disk by. */
export function driveNode(index: number): string {
  return `disk${index}`;
}

function driveArguments(drive: DriveSpec, index: number, model: MachineModel, lockFiles: boolean): string[] {
  const id = driveNode(index);
  const access = { "read-only": drive.readOnly, discard: "unmap" };
  // JSON, so that no character of the path can mean anything else. The cache is the host's page cache: a flush of
  // the guest reaches the disk, everything else may wait.
  const node = {
    driver: drive.format,
    "node-name": id,
    ...access,
    file: {
      driver: drive.path.startsWith("/dev/") ? "host_device" : "file",
      filename: drive.path,
      aio: "threads",
      ...(lockFiles ? { locking: "on" } : {}),
      ...access,
    },
  };
  const device = option(virtio("blk", model), { drive: id, id: `virtio-${id}`, ...place(model, index) });
  return ["-blockdev", JSON.stringify(node), "-device", device];
}

function nicArguments(nic: NicSpec, index: number, model: MachineModel): string[] {
  const device = option(virtio("net", model), {
    netdev: "net0",
    mac: nic.mac,
    // No network boot: its option ROM would be loaded, and may not be installed.
    romfile: model.bus === "pci" ? "" : undefined,
    ...place(model, index),
  });
  return ["-netdev", netdev(nic), "-device", device];
}

function netdev(nic: NicSpec): string {
  if (nic.kind === "vmnet") throw new EmberError("internal", "QEMU has no network of macOS's own");
  if (nic.kind === "tap") {
    return option("tap", { id: "net0", ifname: nic.device, script: "no", downscript: "no" });
  }
  // The network's process connects, and again when it was started anew.
  return option("stream", { id: "net0", server: "on", "addr.type": "unix", "addr.path": nic.path });
}
