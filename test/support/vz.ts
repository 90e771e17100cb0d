import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder with an `ember-vz` that runs on this host. */
export interface VzTools {
  readonly folder: string;
  remove(): void;
}

/**
 * The ember-vz that EMBER_VZ names as a command: on a Mac, or with QEMU in place of Apple's framework (`make test-vz`).
 * Undefined when it names none.
 */
export function vzTools(): VzTools | undefined {
  const { EMBER_VZ: command, VZ_VSOCK_DEVICE: vsock = "" } = process.env;
  if (command === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "vz-tools-"));
  const script = `#!/bin/sh\nVZ_VSOCK_DEVICE='${vsock}' exec ${command} "$@"\n`;
  writeFileSync(join(folder, "ember-vz"), script);
  chmodSync(join(folder, "ember-vz"), 0o755);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
