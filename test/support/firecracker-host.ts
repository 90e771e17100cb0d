import type { TestInstallation } from "./ember.ts";
import { firecrackerDouble } from "./firecracker/double.ts";
import { skipUnless } from "./require.ts";

/** Which Firecracker tests run on: that of the host (`make test-kvm`), or the double that runs guests in QEMU. */
export interface FirecrackerHost {
  readonly skipped: boolean;
  /** To come first in PATH; undefined: the host's own. */
  readonly toolFolder: string | undefined;
}

/** Real guests need root: TAP interfaces, the jailer. Asked for the host's own, nothing of the double is used. */
export function firecrackerHost(folder: string): FirecrackerHost {
  const isRoot = process.getuid?.() === 0;
  if (process.env["EMBER_FIRECRACKER"] === "host") {
    return { skipped: skipUnless("kvm", isRoot, "Firecracker with TAP needs root"), toolFolder: undefined };
  }
  const double = firecrackerDouble(folder);
  const reason = isRoot ? double.reason : "Firecracker with TAP needs root";
  const skipped = skipUnless("firecracker-double", isRoot && double.available, reason ?? "");
  return { skipped, toolFolder: skipped ? undefined : folder };
}

/** Initialises an installation with Firecracker, TAP and a storage file of that size. */
export async function initWithFirecracker(ember: TestInstallation, size: string): Promise<void> {
  const drivers = ["--hypervisor", "firecracker", "--network", "tap", "--accel", "kvm"];
  await ember.ok(["init", ...drivers, "--size", size]);
}
