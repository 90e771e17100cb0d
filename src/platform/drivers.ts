import type { Hypervisor } from "../hypervisor/hypervisor.ts";
import type { Network } from "../network/network.ts";
import type { Storage, StorageConfig } from "../storage/storage.ts";

/** The drivers of a platform by name, loaded when first used. Their order is the order of preference. */
export interface Drivers {
  readonly hypervisorDrivers: Readonly<Record<string, () => Promise<Hypervisor>>>;
  readonly storageDrivers: Readonly<Record<string, (config: StorageConfig) => Promise<Storage>>>;
  readonly networkDrivers: Readonly<Record<string, () => Promise<Network>>>;
}
