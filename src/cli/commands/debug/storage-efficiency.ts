import type { CountedBytes, StorageEfficiency } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { renderFields } from "../../render/fields.ts";
import { sizeOrDash } from "../../render/quantity.ts";

export const storageEfficiency: Command = {
  flags: [],
  positionals: [],
  description:
    "Logical is what all disks would take if each had its blocks for itself, uncompressed; actual is what they take.",
  readOnly: true,
  examples: [{ line: "ember debug storage-efficiency", shows: "what sharing blocks saves" }],
  async run(session) {
    const { storage } = await session.ember();
    const efficiency = await storage.efficiency();
    session.result({ json: efficiency, text: () => renderFields(fieldsOf(efficiency), session.look) });
    return 0;
  },
};

function fieldsOf(efficiency: StorageEfficiency): (readonly [string, string])[] {
  const { images, vms, snapshots, logicalBytes, actualBytes, ratio } = efficiency;
  return [
    ["images", counted(images)],
    ["VMs", counted(vms)],
    ["snapshots", counted(snapshots)],
    ["logical", sizeOrDash(logicalBytes)],
    ["actual", sizeOrDash(actualBytes)],
    ["ratio", ratio === null ? "-" : `${ratio.toFixed(2)}x`],
  ];
}

const counted = ({ count, logicalBytes }: CountedBytes): string => `${count} (${sizeOrDash(logicalBytes)})`;
