import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ensurePrivateFolder, writeFileAtomic } from "../../host/files.ts";
import type { GuestBinary } from "../binary/architecture.ts";
import { archivePadding, type CpioEntry, writeCpio } from "./cpio.ts";

/** An archive that a kernel brings along. It never changes once it is there, so its digest is known. */
export interface KernelArchive {
  readonly path: string;
  readonly sha256: string;
  /**
   * "modules": ember's own, after the guest binary. "foreign": a user's, perhaps compressed, perhaps with an /init of
   * its own; it comes before the guest binary, since the kernel lets the later of two files win.
   */
  readonly kind: "modules" | "foreign";
}

export interface BaseInitrdInputs {
  readonly guestBinary: GuestBinary;
  readonly archive: KernelArchive | undefined;
  /** What the guest needs besides to mount its root; default: nothing. */
  readonly rootArchive?: KernelArchive | undefined;
  /** Where the result is kept; made when it is missing. */
  readonly folder: string;
}

/** Begins the name of every base: change it with anything that changes the bytes below. */
const layout = "base2";

/**
 * The part of the initrd that all VMs of one kernel share: ember-guest as /init, and the kernel's modules. Also what
 * the trial of hardware virtualisation boots. Returns its path. Post-condition: the file is there, complete, 0600.
 * Idempotent: the same inputs give the same path, and it is written only when it is missing.
 */
export function buildBaseInitrd(inputs: BaseInitrdInputs): string {
  const { archive, rootArchive, guestBinary } = inputs;
  const parts = [
    layout,
    guestBinary.sha256,
    ...(archive === undefined ? [] : [archive.kind, archive.sha256]),
    ...(rootArchive === undefined ? [] : [rootArchive.sha256]),
  ];
  const path = join(inputs.folder, `${parts.join("-")}.cpio`);
  if (existsSync(path)) return path;
  ensurePrivateFolder(inputs.folder);
  writeFileAtomic(path, baseContent(inputs), 0o600);
  return path;
}

function baseContent({ guestBinary, archive, rootArchive }: BaseInitrdInputs): Buffer {
  const guest = writeCpio(guestEntries(guestBinary.read()));
  const kernels = padded(archive);
  const ordered = archive?.kind === "foreign" ? [...kernels, guest] : [guest, ...kernels];
  return Buffer.concat([...ordered, ...padded(rootArchive)]);
}

function padded(archive: KernelArchive | undefined): readonly Buffer[] {
  if (archive === undefined) return [];
  const bytes = readFileSync(archive.path);
  return [bytes, archivePadding(bytes.length)];
}

/**
 * The device nodes are there before /init mounts /dev: the console so that what it says is seen, and null because Go's
 * runtime opens that, or ends, where the kernel has no console yet (one on virtio comes with a module).
 */
function guestEntries(guestBinary: Uint8Array): CpioEntry[] {
  return [
    { type: "folder", path: "dev", mode: 0o755 },
    { type: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { type: "character-device", path: "dev/null", mode: 0o666, major: 1, minor: 3 },
    { type: "file", path: "init", mode: 0o755, content: guestBinary },
  ];
}
