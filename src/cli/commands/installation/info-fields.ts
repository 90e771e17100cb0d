import type { InstallationInfo } from "../../../types.ts";
import { renderFields } from "../../render/fields.ts";
import { renderSize } from "../../render/quantity.ts";
import type { Look } from "../../render/style.ts";
import { wrap } from "../../render/text.ts";

/** What an installation uses, for people; what it has not got is left out. */
export function renderInfo(info: InstallationInfo, look: Look): string {
  const { capacity } = info;
  const room = (look.width ?? 100) - 18;
  return renderFields(
    [
      ["version", info.version],
      ["platform", `${info.platform} ${info.architecture}`],
      ["initialized", info.initialized ? withDetail("yes", info.installationId) : "no (run: ember init)"],
      ["hypervisor", withDetail(info.hypervisor, info.hypervisorVersion)],
      ["confinement", info.confinement?.reason ?? null],
      ["containment", info.containment && containmentText(info.containment)],
      ["accelerator", withDetail(info.accelerator, info.acceleratorReason)],
      ["storage", info.storage],
      ["storage path", info.storagePath],
      [
        "capacity",
        capacity && `${renderSize(capacity.freeBytes)} free of ${renderSize(capacity.totalBytes)}`,
      ],
      ["network", withDetail(info.network, info.subnet)],
      ["default kernel", info.defaultKernel],
      ["state folder", info.stateDir],
      ["runtime folder", info.runtimeDir],
      ["vms", info.running === 0 ? info.vms : `${info.vms} (${info.running} running)`],
      ["images", info.images],
      ["notes", info.notes.flatMap((note) => wrap(note, room))],
    ],
    look,
  );
}

function containmentText({ available, reason }: { available: boolean; reason: string }): string {
  return available ? reason : `none: ${reason}`;
}

function withDetail(value: string | null, detail: string | null): string | null {
  return value === null || detail === null ? value : `${value} (${detail})`;
}
