import { EmberError } from "../errors/ember-error.ts";
import type { Accelerator } from "../hypervisor/hypervisor.ts";
import type { Installation } from "../installation.ts";
import type { Kernel } from "../kernel/store.ts";
import { readHostFact, readSetting, writeHostFact } from "../state/settings.ts";

const factName = "accelerator";

export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  readonly reason: string;
}

/** What was found out since the host booted; undefined when no guest has been started yet. */
export function knownAccelerator(installation: Installation): AcceleratorChoice | undefined {
  const asked = readSetting(installation.db, "accelerator");
  if (asked === "kvm" || asked === "hvf" || asked === "tcg") {
    return { accelerator: asked, reason: "chosen with 'ember init --accel'" };
  }
  const [accelerator, reason] = (readHostFact(installation.db, factName) ?? "").split(": ", 2);
  if (accelerator === "kvm" || accelerator === "hvf" || accelerator === "tcg")
    return { accelerator, reason: reason ?? "" };
  return undefined;
}

/**
 * Hardware virtualisation where guests really run on it, else software emulation. That a device can be opened says
 * little, so the first start after each boot of the host tries a guest; the answer is kept.
 */
export async function chooseAccelerator(
  installation: Installation,
  kernel: Kernel,
  initrdPath: string,
): Promise<Accelerator> {
  const known = knownAccelerator(installation);
  if (known !== undefined) return known.accelerator;
  const { probeAcceleration } = await import("../hypervisor/probe.ts");
  const { kernelImageFor } = await import("../kernel/format/boot-file.ts");
  const hypervisor = await installation.hypervisor();
  const { accelerators, provesAcceleration } = hypervisor.capabilities();
  if (provesAcceleration === true && accelerators[0] !== undefined) return accelerators[0];
  const found = await probeAcceleration(hypervisor, {
    kernelPath: await kernelImageFor(kernel, hypervisor.capabilities().bootFile ?? "any"),
    initrdPath,
    folder: installation.paths.cacheDir,
    runtimeFolder: installation.paths.runtimeDir,
  });
  writeHostFact(installation.db, factName, `${found.accelerator}: ${found.reason}`);
  if (found.accelerator === "tcg") {
    await installation.replaceHypervisor("tcg", found.reason);
    installation.notice(`this host runs guests by software emulation, which is slow: ${found.reason}`);
  }
  return found.accelerator;
}

/** Throws `usage` for an accelerator the driver does not know. */
export function checkAccelerator(name: string, known: readonly Accelerator[]): void {
  if (name === "auto" || known.some((candidate) => candidate === name)) return;
  throw new EmberError("usage", `there is no accelerator '${name}' here`, {
    hint: `choose one of: auto, ${known.join(", ")}`,
  });
}
