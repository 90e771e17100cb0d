import type { Accelerator } from "../hypervisor.ts";

/** Processor architectures that a QEMU driver runs: always the host's own. */
export type Architecture = "x64" | "arm64";

/** What differs between the machines that ember asks QEMU for. */
export interface MachineModel {
  /** Values of `-machine`, `-accel` and `-cpu`. */
  readonly machine: string;
  readonly accel: string;
  readonly cpu: string;
  /** Virtio devices sit on PCI, or are mapped into memory. */
  readonly bus: "pci" | "mmio";
  /** Kernel arguments for this machine's own devices and clock; the user's come after them and win. */
  readonly kernelArguments: readonly string[];
}

export const architectures: Readonly<
  Record<
    Architecture,
    { readonly program: string; readonly model: (accelerator: Accelerator) => MachineModel }
  >
> = {
  x64: { program: "qemu-system-x86_64", model: x64 },
  arm64: { program: "qemu-system-aarch64", model: arm64 },
};

// A panic reboots at once, and with -no-reboot any reboot ends QEMU: a dead guest never stays as a process.
const always = ["panic=-1"];
const x64Console = ["console=ttyS0", ...always, "reboot=t"];

function x64(accelerator: Accelerator): MachineModel {
  if (accelerator === "kvm") {
    return {
      machine: "microvm,acpi=on,ioapic2=off,x-option-roms=off",
      accel: "kvm",
      cpu: "host",
      bus: "mmio",
      kernelArguments: x64Console,
    };
  }
  return {
    // Not microvm: under emulation its timer set-up loses a race, and two boots in five hang.
    machine: "q35,sata=off,smbus=off,vmport=off",
    accel: accelerator === "hvf" ? "hvf" : "tcg,thread=multi",
    // "max" offers what images built for newer processors (x86-64-v2, -v3) need; five-level page tables only cost.
    cpu: accelerator === "hvf" ? "host" : "max,la57=off",
    bus: "pci",
    kernelArguments: accelerator === "hvf" ? x64Console : [...x64Console, ...x64Emulated],
  };
}

/**
 * What makes an emulated boot faster and takes nothing from the guest: without the self-tests of the crypto library
 * (a fifth of the boot), and without rewriting lock prefixes (each one discards translated code).
 */
const x64Emulated = ["cryptomgr.notests", "noreplace-smp"];

function arm64(accelerator: Accelerator): MachineModel {
  const emulated = accelerator === "tcg";
  return {
    machine: "virt,gic-version=max",
    accel: emulated ? "tcg,thread=multi" : accelerator,
    // The architected pointer authentication algorithm takes half of an emulated guest's time.
    cpu: emulated ? "max,pauth-impdef=on" : "host",
    bus: "pci",
    kernelArguments: ["console=ttyAMA0", ...always, ...(emulated ? ["cryptomgr.notests"] : [])],
  };
}
