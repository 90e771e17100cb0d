import type { Containment } from "../host/cgroup/containment.ts";
import type { Hypervisor, HypervisorContext } from "../hypervisor/hypervisor.ts";
import type { Network, NetworkContext } from "../network/network.ts";
import type { StorageChoice, StorageWish } from "../storage/choice.ts";
import type { Storage, StorageConfig, StorageContext } from "../storage/storage.ts";

/** The drivers of a platform by name, loaded when first used. Their order is the order of preference. */
export interface Drivers {
  readonly hypervisorDrivers: Readonly<Record<string, (context: HypervisorContext) => Promise<Hypervisor>>>;
  readonly storageDrivers: Readonly<
    Record<string, (config: StorageConfig, context: StorageContext) => Promise<Storage>>
  >;
  /** What `init` sets up for a wish: one for each storage driver, and "auto" for the best that works. */
  readonly storageChoices: Readonly<Record<string, (wish: StorageWish) => Promise<StorageChoice>>>;
  /** What bounds the share of the host that an installation's VMs take; undefined where the platform has no such thing. */
  readonly findContainment: (
    installationId: string,
    cpuWeight: number,
    notice: (line: string) => void,
  ) => Promise<Containment | undefined>;
  readonly networkDrivers: Readonly<Record<string, (context: NetworkContext) => Promise<Network>>>;
}
