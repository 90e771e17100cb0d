import { imageOperations } from "./image/operations.ts";
import type { Installation } from "./installation.ts";
import { deinitOperation } from "./setup/deinit.ts";
import { initOperation } from "./setup/init.ts";
import { createOperation as createSnapshotOperation } from "./snapshot/operations/create.ts";
import { deleteOperation as deleteSnapshotOperation } from "./snapshot/operations/delete.ts";
import { diffOperation } from "./snapshot/operations/diff.ts";
import { restoreOperation } from "./snapshot/operations/restore.ts";
import type { Operation } from "./state/journal.ts";
import { createOperation } from "./vm/operations/create.ts";
import { deleteOperation } from "./vm/operations/delete.ts";
import { forkManyOperation } from "./vm/operations/fork-many.ts";
import { networkOperation } from "./vm/operations/network.ts";
import { resizeOperation } from "./vm/operations/resize.ts";
import { startOperation } from "./vm/operations/start.ts";
import { stopOperation } from "./vm/operations/stop.ts";

/** Every operation that may stand in a journal: what a killed command left is recovered from here. */
export const operations: readonly Operation<Installation>[] = [
  initOperation(),
  deinitOperation,
  createOperation(),
  forkManyOperation(),
  startOperation,
  stopOperation,
  networkOperation(),
  resizeOperation(),
  deleteOperation,
  createSnapshotOperation(),
  restoreOperation(),
  diffOperation(),
  deleteSnapshotOperation,
  ...imageOperations,
];
