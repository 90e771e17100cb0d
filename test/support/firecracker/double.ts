import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export { type ApiDescription, describeApi } from "./api-description.ts";

import { findProgram, findVsockProgram } from "./programs.ts";

export interface FirecrackerDouble {
  /** Paths of the two programs, in one folder that can go first in PATH. */
  readonly firecracker: string;
  readonly jailer: string;
  readonly available: boolean;
  /** Why it is not available. */
  readonly reason?: string;
}

/** How a double behaves; also to be changed while it runs, through `orderFaults`. */
export interface DoubleSettings {
  /** "PUT /boot-source: die; PUT /drives/: late:3000": see faults.ts. */
  readonly fault?: string;
  /** What it says its version is: "1.15.1". */
  readonly version?: string;
}

/**
 * The double of Firecracker and of its jailer. With a folder of a test's own, they are made there, and do what
 * `orderFaults` says: the environment, which also reaches the double, is lost when one program starts another.
 */
export function firecrackerDouble(folder?: string, settings: DoubleSettings = {}): FirecrackerDouble {
  const home = folder ?? import.meta.dir;
  if (folder !== undefined) {
    mkdirSync(folder, { recursive: true });
    orderFaults(folder, settings);
    for (const name of ["firecracker", "jailer"]) {
      // Where the vsock device is depends on HOME, which a test may change.
      const known = `FC_DOUBLE_CONFIG='${folder}/double.json' FC_DOUBLE_VSOCK='${findVsockProgram() ?? ""}'`;
      const script = `#!/bin/sh\n${known} exec '${join(import.meta.dir, name)}' "$@"\n`;
      writeFileSync(join(folder, name), script, { mode: 0o755 });
    }
  }
  const reason = missing();
  const paths = { firecracker: join(home, "firecracker"), jailer: join(home, "jailer") };
  return reason === undefined ? { ...paths, available: true } : { ...paths, available: false, reason };
}

/** What the doubles of this folder do from now on, those that run included. */
export function orderFaults(folder: string, settings: DoubleSettings): void {
  writeFileSync(join(folder, "double.json"), JSON.stringify(settings));
}

function missing(): string | undefined {
  if (!existsSync("/proc/self/ns/mnt") || process.arch !== "x64")
    return "the double runs on Linux and x86-64 only";
  for (const program of ["qemu-system-x86_64", "setpriv"]) {
    if (findProgram(program) === undefined) return `${program} is not installed`;
  }
  if (findVsockProgram() === undefined)
    return "vhost-device-vsock is not built: run scripts/vhost-device-vsock";
  return undefined;
}
