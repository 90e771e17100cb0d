import { platformName, processUsage } from "#platform";
import { EmberError } from "../../errors/ember-error.ts";
import { isAlive } from "../../host/process-identity.ts";
import type { Hypervisor, HypervisorCapabilities, Machine } from "../hypervisor.ts";
import { ask } from "./control.ts";
import { probeVz } from "./probe.ts";
import { findMachine, killMachine } from "./process.ts";
import { startMachine } from "./start.ts";

/** VMs on Apple's Virtualization framework: one ember-vz process each (vz/), which the machine does not outlive. */
export function createVz(): Hypervisor {
  return {
    name: "vz",
    probe: probeVz,
    capabilities: () => capabilities,
    start: startMachine,
    find: findMachine,
    kill: killMachine,
    pressPowerButton: async (machine) => {
      await ask(machine, "press");
    },
    pause: (machine) => bring(machine, "paused"),
    resume: (machine) => bring(machine, "running"),
    status: async (machine) => {
      const report = await ask(machine, "status");
      if (report === undefined) return "gone";
      return report.state === "paused" ? "paused" : "running";
    },
    usage: async (machine) => (isAlive(machine.process) ? processUsage(machine.process.pid) : undefined),
  };
}

const capabilities: HypervisorCapabilities = {
  // Where QEMU stands in for the framework, in tests, it emulates.
  accelerators: platformName === "darwin" ? ["hvf"] : ["tcg"],
  provesAcceleration: true, // the framework says so itself (VZVirtualMachine.isSupported)
  nics: ["vmnet", "socket"],
  frames: "datagram",
  diskFormats: ["raw"],
  guestPowerOff: "poweroff",
  agentTransport: "vsock",
  guestServices: true,
  maxCpus: 64,
  locksDisks: false,
  bootFile: "boot-protocol",
};

/** Post-condition: the machine is in that state. Throws `wrong-state` when the process is gone. */
async function bring(machine: Machine, wanted: "paused" | "running"): Promise<void> {
  const now = await ask(machine, "status");
  const then =
    now?.state === wanted ? now : now && (await ask(machine, wanted === "paused" ? "pause" : "resume"));
  if (then !== undefined) return;
  throw new EmberError("wrong-state", "the VM does not run: its hypervisor is gone", {
    hint: "start it with 'ember vm start'",
  });
}
