import { arch } from "node:os";
import { platformName } from "#platform";
import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { listImages } from "../state/images.ts";
import { readSetting } from "../state/settings.ts";
import { listVms } from "../state/vms.ts";
import type { InstallationInfo } from "../types.ts";
import { version } from "../version.ts";
import { knownAccelerator } from "../vm/acceleration.ts";
import { lostNetwork } from "../vm/revival.ts";
import { statusOf } from "../vm/status.ts";

/** What this installation uses. Works before `init` too, and when the storage is broken (capacity is null then). */
export async function describeInstallation(installation: Installation): Promise<InstallationInfo> {
  const { paths, db, initialized } = installation;
  const vms = listVms(db);
  const accelerator = initialized ? knownAccelerator(installation) : undefined;
  const probe = initialized ? await (await installation.hypervisor()).probe() : undefined;
  const config = initialized ? installation.storageConfig : undefined;
  return {
    version,
    platform: platformName,
    architecture: arch(),
    initialized,
    installationId: readSetting(db, "installation-id") ?? null,
    stateDir: paths.stateDir,
    runtimeDir: paths.runtimeDir,
    hypervisor: readSetting(db, "hypervisor") ?? null,
    hypervisorVersion: probe?.usable === true ? probe.version : null,
    confinement: initialized ? ((await installation.hypervisor()).capabilities().confinement ?? null) : null,
    containment: initialized ? await containmentOf(installation) : null,
    accelerator: accelerator?.accelerator ?? null,
    acceleratorReason: accelerator?.reason ?? null,
    storage: config?.driver ?? null,
    storagePath: config?.folder ?? null,
    capacity: initialized ? await capacityOf(installation) : null,
    network: readSetting(db, "network") ?? null,
    subnet: readSetting(db, "subnet") ?? null,
    defaultKernel: readSetting(db, "default-kernel") ?? null,
    vms: vms.length,
    running: vms.filter((vm) => statusOf(vm) === "running").length,
    images: listImages(db).length,
    notes: initialized ? await notesOf(installation) : [],
  };
}

async function containmentOf(installation: Installation): Promise<InstallationInfo["containment"]> {
  const found = await installation.containment();
  return found === undefined ? null : { available: found.available, reason: found.reason };
}

async function capacityOf(installation: Installation): Promise<InstallationInfo["capacity"]> {
  try {
    const { capacityBytes, usedBytes, freeBytes } = await (await installation.storage()).usage();
    return { totalBytes: capacityBytes, usedBytes, freeBytes };
  } catch (error) {
    installation.verbose(
      `the storage does not tell its capacity: ${error instanceof Error ? error.message : error}`,
    );
    return null;
  }
}

async function notesOf(installation: Installation): Promise<readonly string[]> {
  const network = await installation.network();
  const notes = [...network.capabilities.caveats];
  const lost = await lostNetwork(installation);
  if (lost !== undefined) notes.push(lost);
  const probe = await (await installation.hypervisor()).probe();
  if (!probe.usable) notes.push(new EmberError("host-unsupported", probe.reason).message);
  return notes;
}
