import type { NetworkFlow, NetworkStatus } from "../types.ts";
import type { VmNetwork } from "./network.ts";

/** The host's end of a VM's cable, where the firewall redirects what is to be inspected. */
export interface Cable {
  /** The interface. */
  readonly device: string;
  /** The host's address on it, the guest's, and the length of their network's prefix. */
  readonly gateway: string;
  readonly address: string;
  readonly prefix: number;
}

/** Where, at the gateway's address. */
export interface InspectionPorts {
  readonly tcp: number;
  /** Of both protocols. */
  readonly dns: number;
}

/**
 * Decides by names about VMs whose packets the host routes, and puts secrets into their requests. A driver that has a firewall
 * but sees addresses alone is given one by its platform, so that no driver knows another. Every method is idempotent.
 */
export interface Inspector {
  /** Post-condition: what comes to these ports is inspected as `vm` says. The interface must have its address. Throws `network-failed`. */
  attach(vm: VmNetwork, cable: Cable): Promise<InspectionPorts>;
  /** Post-condition: nothing of the VM is left. */
  detach(vmId: string): Promise<void>;
  /** Those of the VMs that it does not know: all of them when it was killed. */
  forgotten(vmIds: readonly string[]): Promise<readonly string[]>;
  /** Whether it ever had anything to do since the last `close`, in an instant. */
  inUse(): boolean;
  flows(vmId: string): Promise<readonly NetworkFlow[]>;
  forgetFlows(vmId: string): Promise<void>;
  status(): Promise<Omit<NetworkStatus, "driver">>;
  close(): Promise<void>;
}

/** Whether addresses alone cannot decide what this VM may reach, or its requests are to be changed. */
export function wantsInspection({ mode, policy, secrets }: VmNetwork): boolean {
  return mode === "default" && (secrets.length > 0 || policy.rules.some((rule) => "host" in rule));
}
