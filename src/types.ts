/**
 * The public shapes of ember: what the library takes and gives, and what `--format json` prints.
 * Sizes are bytes (powers of 1024), times ISO 8601 in UTC, names as architecture.md section 8 lays down.
 */

export type * from "./types/image.ts";
export type * from "./types/installation.ts";
export type * from "./types/kernel.ts";
export type * from "./types/network.ts";
export type * from "./types/root.ts";
export type * from "./types/storage.ts";
export type * from "./types/task.ts";
export type * from "./types/vm.ts";
