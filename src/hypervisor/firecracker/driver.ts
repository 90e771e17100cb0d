import { statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processUsage } from "#platform";
import { EmberError } from "../../errors/ember-error.ts";
import { isAlive } from "../../host/process-identity.ts";
import { lookUpTool } from "../../host/tools.ts";
import type {
  Hypervisor,
  HypervisorCapabilities,
  HypervisorContext,
  Machine,
  MachineUsage,
} from "../hypervisor.ts";
import { FirecrackerApi } from "./api.ts";
import { clearPlaces } from "./jail.ts";
import { readIo } from "./metrics.ts";
import { fileNames, shortcut } from "./places.ts";
import { probeFirecracker } from "./probe.ts";
import { findMachine, killMachine } from "./process.ts";
import { startMachine } from "./start.ts";
import { losesVsockOnPause } from "./version.ts";

/**
 * VMs as Firecracker processes, as root each under its jailer: one user, one root folder and one process namespace per VM. The
 * agent is reached over vsock. Needs KVM.
 */
export function createFirecracker(context: HypervisorContext): Hypervisor {
  const confinement = confinementOf(context);
  return {
    name: "firecracker",
    probe: probeFirecracker,
    capabilities: () => ({ ...capabilities, confinement }),
    start: (spec, signal) => startMachine(spec, confinement.confined, signal),
    find: findMachine,
    clear: clearPlaces,
    kill: killMachine,
    pressPowerButton: async (machine) => {
      if (process.arch === "x64" && isAlive(machine.process)) await apiOf(machine).act("SendCtrlAltDel");
    },
    pause,
    resume: async (machine) => {
      requireAlive(machine);
      await apiOf(machine).setState("Resumed");
    },
    status: async (machine) => {
      if (!isAlive(machine.process)) return "gone";
      try {
        return (await apiOf(machine).state()) === "Paused" ? "paused" : "running";
      } catch (error) {
        await sleep(100); // it may have been asked while it ended, which takes a moment
        if (!isAlive(machine.process)) return "gone";
        throw error;
      }
    },
    resizeDrive,
    usage,
  };
}

const capabilities: HypervisorCapabilities = {
  accelerators: ["kvm"],
  nics: ["tap"],
  diskFormats: ["raw"],
  guestPowerOff: "reboot",
  agentTransport: "vsock",
  maxCpus: 32,
  bootFile: "uncompressed",
  locksDisks: false,
};

function confinementOf({ jailer }: HypervisorContext): {
  readonly confined: boolean;
  readonly reason: string;
} {
  if (!jailer) return { confined: false, reason: "not confined: 'ember init --no-jailer' was asked for" };
  if (process.getuid?.() !== 0) return { confined: false, reason: "not confined: the jailer needs root" };
  if (lookUpTool("jailer") === undefined)
    return { confined: false, reason: "not confined: 'jailer' is not installed" };
  return {
    confined: true,
    reason: "each VM has a user, a root folder and a process namespace of its own (jailer)",
  };
}

function apiOf(machine: Machine): FirecrackerApi {
  return new FirecrackerApi(join(shortcut(machine.runtimeFolder, machine.vmId), fileNames.api));
}

function requireAlive(machine: Machine): void {
  if (isAlive(machine.process)) return;
  throw new EmberError("wrong-state", "the VM does not run: its hypervisor is gone", {
    hint: "start it with 'ember vm start'",
  });
}

async function pause(machine: Machine): Promise<void> {
  requireAlive(machine);
  const api = apiOf(machine);
  const version = await api.version();
  if (losesVsockOnPause(version)) {
    throw new EmberError(
      "host-unsupported",
      `Firecracker ${version} loses the guest's channel when it pauses`,
      {
        hint: "use Firecracker 1.17 or newer, or 1.15, to pause VMs",
      },
    );
  }
  await api.setState("Paused");
}

/** See `Hypervisor.resizeDrive`. */
async function resizeDrive(machine: Machine, index: number, sizeBytes: number): Promise<void> {
  requireAlive(machine);
  const name = fileNames.drive(index);
  const path = join(shortcut(machine.runtimeFolder, machine.vmId), name);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new EmberError("hypervisor-failed", `the VM has no disk ${index}`);
  if (stat.isFile() && stat.size < sizeBytes) truncateSync(path, sizeBytes);
  await apiOf(machine).refreshDrive(name, name);
}

async function usage(machine: Machine): Promise<MachineUsage | undefined> {
  if (!isAlive(machine.process)) return undefined;
  const used = processUsage(machine.process.pid);
  if (used === undefined) return undefined;
  await apiOf(machine)
    .act("FlushMetrics")
    .catch(() => undefined); // what it wrote before is told all the same
  const io = readIo(join(shortcut(machine.runtimeFolder, machine.vmId), fileNames.metrics));
  return io === undefined ? used : { ...used, io };
}
