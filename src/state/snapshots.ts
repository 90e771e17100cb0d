import { EmberError } from "../errors/ember-error.ts";
import type { VmStatus } from "../types.ts";
import type { Database, Row } from "./database.ts";
import { integer, oneOf, text } from "./row.ts";

/** A snapshot as the database keeps it. */
export interface SnapshotRecord {
  readonly id: string;
  readonly vmId: string;
  readonly name: string;
  readonly visible: boolean;
  readonly diskBytes: number;
  /** What the VM did when it was made. */
  readonly vmStatus: VmStatus;
  readonly createdAt: string;
}

const statuses = ["created", "running", "paused", "stopped", "failed"] as const;

/** Throws `snapshot-exists`. */
export function insertSnapshot(db: Database, snapshot: SnapshotRecord, vmName: string): void {
  db.transaction(() => {
    refuseTakenSnapshot(db, snapshot.vmId, snapshot.name, vmName);
    db.run(
      `INSERT INTO snapshots (id, vm_id, name, visible, disk_bytes, vm_status, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      snapshot.id,
      snapshot.vmId,
      snapshot.name,
      snapshot.visible ? 1 : 0,
      snapshot.diskBytes,
      snapshot.vmStatus,
      snapshot.createdAt,
    );
  });
}

/** Throws `snapshot-exists`. */
export function refuseTakenSnapshot(db: Database, vmId: string, name: string, vmName: string): void {
  if (db.get("SELECT 1 FROM snapshots WHERE vm_id = ? AND name = ?", vmId, name) === undefined) return;
  throw new EmberError("snapshot-exists", `VM '${vmName}' has a snapshot named '${name}' already`, {
    hint: `choose another name, or remove it with 'ember snapshot delete ${vmName} ${name}'`,
  });
}

/** Throws `snapshot-not-found`, also for one that is still being made or already being removed. */
export function getSnapshot(
  db: Database,
  vm: { readonly id: string; readonly name: string },
  name: string,
): SnapshotRecord {
  const found = findSnapshotByName(db, vm.id, name);
  if (found?.visible === true) return found;
  throw new EmberError("snapshot-not-found", `VM '${vm.name}' has no snapshot named '${name}'`, {
    hint: `'ember snapshot list ${vm.name}' shows what there is`,
  });
}

/** Hidden ones included. */
export function findSnapshotByName(db: Database, vmId: string, name: string): SnapshotRecord | undefined {
  const row = db.get("SELECT * FROM snapshots WHERE vm_id = ? AND name = ?", vmId, name);
  return row === undefined ? undefined : toSnapshot(row);
}

/** By id, hidden ones included. */
export function findSnapshot(db: Database, id: string): SnapshotRecord | undefined {
  const row = db.get("SELECT * FROM snapshots WHERE id = ?", id);
  return row === undefined ? undefined : toSnapshot(row);
}

/** Of one VM or of all, oldest first. */
export function listSnapshots(db: Database, vmId?: string): SnapshotRecord[] {
  const rows =
    vmId === undefined
      ? db.all("SELECT * FROM snapshots WHERE visible = 1 ORDER BY created_at, rowid")
      : db.all("SELECT * FROM snapshots WHERE visible = 1 AND vm_id = ? ORDER BY created_at, rowid", vmId);
  return rows.map(toSnapshot);
}

export function setSnapshotVisible(db: Database, id: string, visible: boolean): void {
  db.run("UPDATE snapshots SET visible = ? WHERE id = ?", visible ? 1 : 0, id);
}

export function renameSnapshot(db: Database, id: string, name: string): void {
  db.run("UPDATE snapshots SET name = ? WHERE id = ?", name, id);
}

export function deleteSnapshotRecord(db: Database, id: string): void {
  db.run("DELETE FROM snapshots WHERE id = ?", id);
}

/** All of a VM's, hidden ones included. */
export function deleteSnapshotRecordsOf(db: Database, vmId: string): void {
  db.run("DELETE FROM snapshots WHERE vm_id = ?", vmId);
}

function toSnapshot(row: Row): SnapshotRecord {
  return {
    id: text(row, "id"),
    vmId: text(row, "vm_id"),
    name: text(row, "name"),
    visible: integer(row, "visible") === 1,
    diskBytes: integer(row, "disk_bytes"),
    vmStatus: oneOf(row, "vm_status", statuses),
    createdAt: text(row, "created_at"),
  };
}
