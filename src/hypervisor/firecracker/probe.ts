import { accessSync, constants } from "node:fs";
import { EmberError } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { lookUpTool } from "../../host/tools.ts";
import type { HypervisorProbe } from "../hypervisor.ts";
import { isAtLeast, parseVersion } from "./version.ts";

const releases = "https://github.com/firecracker-microvm/firecracker/releases";
const whereToGetIt = `get a release from ${releases} and put 'firecracker' and 'jailer' of it into PATH`;

/** See `Hypervisor.probe`. Whether guests really run on /dev/kvm shows at the first start. */
export async function probeFirecracker(): Promise<HypervisorProbe> {
  const binary = lookUpTool("firecracker");
  if (binary === undefined)
    return { usable: false, reason: "'firecracker' is not installed", hint: whereToGetIt };
  try {
    const { stdout } = await run("firecracker", ["--version"], { timeoutMs: 10_000 });
    const version = parseVersion(stdout);
    if (version === undefined)
      return { usable: false, reason: `'${binary}' does not tell its version`, hint: whereToGetIt };
    if (!isAtLeast(version, 1, 10))
      return {
        usable: false,
        reason: `Firecracker ${version} is too old: 1.10 is needed`,
        hint: whereToGetIt,
      };
    return kvmFault() ?? { usable: true, version, binary };
  } catch (error) {
    if (!(error instanceof EmberError)) throw error;
    return { usable: false, reason: error.message, hint: whereToGetIt };
  }
}

function kvmFault(): HypervisorProbe | undefined {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return undefined;
  } catch {
    return {
      usable: false,
      reason: "/dev/kvm is not there, or not for this user",
      hint: "enable virtualisation in the firmware; let the user use it with 'setfacl -m u:$USER:rw /dev/kvm'",
    };
  }
}
