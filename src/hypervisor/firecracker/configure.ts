import { readFileSync } from "node:fs";
import { release } from "node:os";
import { together } from "../../host/together.ts";
import type { DriveSpec, VmSpec } from "../hypervisor.ts";
import type { FirecrackerApi } from "./api.ts";
import { fileNames } from "./places.ts";

/** The guest's own address on its vsock; the host's side is a socket, so every guest may have the same. */
const guestCid = 3;
const mib = 2 ** 20;

/**
 * Describes the whole machine and starts its processors. All that Firecracker wants of the order is that the start comes last.
 */
export async function configure(api: FirecrackerApi, spec: VmSpec): Promise<void> {
  const network = spec.nic?.kind === "tap" ? spec.nic : undefined;
  for (const drive of spec.drives.entries()) await addDrive(api, drive);
  // At once, since each waits for its answer longer than anybody works: no more than the server has connections for, ten.
  await together(
    api.setMetrics(fileNames.metrics),
    api.setMachine({ vcpu_count: spec.cpus, mem_size_mib: Math.floor(spec.memoryBytes / mib) }),
    api.setBootSource({
      kernel_image_path: fileNames.kernel,
      initrd_path: fileNames.initrd,
      boot_args: bootArguments(spec),
    }),
    network === undefined
      ? Promise.resolve()
      : api.addNetworkInterface({
          iface_id: "eth0",
          host_dev_name: network.device,
          guest_mac: network.mac,
        }),
    api.setVsock({ guest_cid: guestCid, uds_path: fileNames.vsock }),
    api.setBalloon({ amount_mib: 0, deflate_on_oom: true }),
    api.addEntropy(),
  );
  await api.act("InstanceStart");
}

async function addDrive(api: FirecrackerApi, [index, drive]: [number, DriveSpec]): Promise<void> {
  await api.addDrive({
    drive_id: fileNames.drive(index),
    path_on_host: fileNames.drive(index),
    is_root_device: false, // the initrd mounts it
    is_read_only: drive.readOnly,
    cache_type: "Writeback", // what the guest flushes must be on the disk
    io_engine: ioEngine(),
  });
}

/**
 * A reboot ends the process, and a power-off on x86-64 would not: so the guest reboots when it is done, by the keyboard
 * controller (`reboot=k`), and at once after a panic.
 */
function bootArguments(spec: VmSpec): string {
  return ["console=ttyS0", "reboot=k", "panic=-1", spec.bootArguments.trim()]
    .filter((part) => part !== "")
    .join(" ");
}

/** io_uring from 5.10.51 on (Firecracker's block-io-engine.md), unless the host forbids it. */
function ioEngine(): "Sync" | "Async" {
  const [major = 0, minor = 0, patch = 0] = release().split(/[.-]/).map(Number);
  const isNew = major > 5 || (major === 5 && (minor > 10 || (minor === 10 && patch >= 51)));
  return isNew && ringsAllowed() ? "Async" : "Sync";
}

function ringsAllowed(): boolean {
  try {
    return readFileSync("/proc/sys/kernel/io_uring_disabled", "utf8").trim() === "0";
  } catch {
    return true; // a kernel without this switch
  }
}
