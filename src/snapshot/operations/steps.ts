import { EmberError } from "../../errors/ember-error.ts";
import type { Installation } from "../../installation.ts";
import type { OperationData, Step } from "../../state/journal.ts";
import type { SnapshotDisk } from "../../storage/storage.ts";

export type SnapshotStep = Step<Installation>;

export function required(data: OperationData, key: string): string {
  const value = data[key];
  if (value === undefined) throw new EmberError("internal", `the journal lacks '${key}'`);
  return value;
}

/** The snapshot that an operation is about. */
export function diskOf(data: OperationData, key = "snapshotId"): SnapshotDisk {
  return { vmId: required(data, "vmId"), snapshotId: required(data, key) };
}
