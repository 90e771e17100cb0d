import { platformName, processUsage } from "#platform";
import { EmberError } from "../../errors/ember-error.ts";
import { isAlive } from "../../host/process-identity.ts";
import type { Hypervisor, HypervisorCapabilities, Machine } from "../hypervisor.ts";
import { driveNode } from "./devices.ts";
import { findMachine, killMachine } from "./machine-process.ts";
import { guestRuns, withMonitor } from "./monitor.ts";
import { probeQemu } from "./probe-program.ts";
import { type QemuHost, startMachine } from "./start.ts";

/**
 * VMs as QEMU processes: one per VM, controlled over a socket (QMP) that only its owner can open. A guest whose host
 * runs out of disk is paused by QEMU, and goes on with `resume`.
 */
export function createQemu(): Hypervisor {
  const host: QemuHost = {
    architecture: process.arch === "arm64" ? "arm64" : "x64",
    sandbox: platformName === "linux",
    lockFiles: platformName === "linux",
  };
  return {
    name: "qemu",
    probe: () => probeQemu(host.architecture),
    capabilities: () => capabilities,
    start: (spec, signal) => startMachine(spec, host, signal),
    find: findMachine,
    kill: killMachine,
    pressPowerButton: async (machine) => {
      await withMonitor(machine, (session) => session.execute("system_powerdown"));
    },
    pause: (machine) => setRunning(machine, false),
    resume: (machine) => setRunning(machine, true),
    status: async (machine) => {
      const runs = await withMonitor(machine, guestRuns);
      if (runs === undefined) return "gone";
      return runs ? "running" : "paused";
    },
    resizeDrive: (machine, index, sizeBytes) => resizeDrive(machine, index, sizeBytes),
    usage: async (machine) => (isAlive(machine.process) ? processUsage(machine.process.pid) : undefined),
  };
}

const capabilities: HypervisorCapabilities = {
  accelerators: platformName === "linux" ? ["kvm", "tcg"] : ["hvf", "tcg"],
  nics: platformName === "linux" ? ["socket", "tap"] : ["socket"],
  frames: "stream",
  diskFormats: ["raw", "qcow2"],
  guestPowerOff: "poweroff",
  agentTransport: "tcp",
  maxCpus: 64,
  locksDisks: true,
};

/**
 * Of a regular file QEMU itself makes the size so, which changes nothing when it is; a device must have it already.
 * See `Hypervisor.resizeDrive`.
 */
async function resizeDrive(machine: Machine, index: number, sizeBytes: number): Promise<void> {
  const answered = await withMonitor(machine, async (session) => {
    await session.execute("block_resize", { "node-name": driveNode(index), size: sizeBytes });
    return true;
  });
  if (answered === undefined) throw gone();
}

function gone(): EmberError {
  return new EmberError("wrong-state", "the VM does not run: its hypervisor is gone", {
    hint: "start it with 'ember vm start'",
  });
}

/** Post-condition: the guest's processors run, or do not. Throws `wrong-state` when the process is gone. */
async function setRunning(machine: Machine, wanted: boolean): Promise<void> {
  const runs = await withMonitor(machine, async (session) => {
    await session.execute(wanted ? "cont" : "stop");
    return guestRuns(session);
  });
  if (runs === undefined) throw gone();
  if (runs !== wanted) {
    throw new EmberError(
      "hypervisor-failed",
      `the hypervisor did not ${wanted ? "resume" : "pause"} the guest`,
    );
  }
}
