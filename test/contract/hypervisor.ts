import { describe, setDefaultTimeout, test } from "bun:test";
import type { Hypervisor } from "../../src/hypervisor/hypervisor.ts";
import { driveTests } from "./hypervisor/drives.ts";
import { lifecycleTests } from "./hypervisor/lifecycle.ts";
import { refusalTests } from "./hypervisor/refusals.ts";

/**
 * What every hypervisor driver must do (src/hypervisor/hypervisor.ts), with real processes and a kernel that does
 * nothing. Each test has VMs of its own; no process or socket is left, also when it fails.
 */
export async function hypervisorContract(name: string, factory: () => Hypervisor): Promise<void> {
  const probe = await factory().probe();
  setDefaultTimeout(60_000); // a guard against hanging on a busy machine, no measurement
  describe(`hypervisor contract: ${name}`, () => {
    if (!probe.usable) {
      if ((process.env["EMBER_REQUIRE"] ?? "").split(",").includes(name)) {
        throw new Error(`EMBER_REQUIRE names ${name}, but ${probe.reason}`);
      }
      console.warn(`skipped: hypervisor contract: ${name}: ${probe.reason}`);
      test.skip(`needs what is missing here: ${probe.reason}`, () => undefined);
      return;
    }
    lifecycleTests(factory);
    refusalTests(factory);
    driveTests(factory);
  });
}
