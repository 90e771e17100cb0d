import { hypervisorDrivers, networkDrivers } from "#platform";
import { EmberError } from "../errors/ember-error.ts";
import type { Hypervisor, HypervisorContext } from "../hypervisor/hypervisor.ts";
import { formatNetwork4 } from "../network/ipv4.ts";
import type { Network, NetworkContext } from "../network/network.ts";
import { checkAccelerator } from "../vm/acceleration.ts";
import { checkSubnet } from "../vm/addresses.ts";

const defaultSubnet = "10.100.0.0/16";

/** What the user asked for; "auto" leaves it to ember. */
export interface DriverWish {
  readonly hypervisor: string;
  readonly network: string;
  readonly accelerator: string;
  readonly storage: string;
}

export interface ChosenDrivers {
  readonly hypervisor: Hypervisor;
  readonly network: Network;
}

/**
 * The first hypervisor that works here and can do what is asked for, with the first network that works with it.
 * Throws `host-unsupported` or `usage`, saying what is missing of the last one tried.
 */
export async function chooseDrivers(
  wish: DriverWish,
  contexts: { readonly hypervisor: HypervisorContext; readonly network: NetworkContext },
): Promise<ChosenDrivers> {
  const names = wish.hypervisor === "auto" ? Object.keys(hypervisorDrivers) : [wish.hypervisor];
  const refusals: Refusal[] = [];
  for (const name of names) {
    try {
      const hypervisor = await usableHypervisor(name, wish, contexts.hypervisor);
      const network = await chooseNetwork(wish.network, hypervisor, contexts.network);
      for (const { message, hint = "" } of refusals.filter(isRemarkable))
        contexts.hypervisor.notice(`${message}; ${name} takes its place (${hint})`);
      return { hypervisor, network };
    } catch (error) {
      if (!(error instanceof EmberError)) throw error;
      refusals.push(error);
    }
  }
  const known = Object.keys(hypervisorDrivers);
  throw refusals.find(isRemarkable) ?? refusals.at(-1) ?? unknownDriver("hypervisor", wish.hypervisor, known);
}

/** Why a driver was not chosen. */
type Refusal = EmberError & { readonly remarkable?: boolean };

function isRemarkable({ remarkable }: Refusal): boolean {
  return remarkable === true;
}

async function usableHypervisor(
  name: string,
  wish: DriverWish,
  context: HypervisorContext,
): Promise<Hypervisor> {
  const driver = await hypervisorDrivers[name]?.(context);
  if (driver === undefined) throw unknownDriver("hypervisor", name, Object.keys(hypervisorDrivers));
  const { accelerators, diskFormats } = driver.capabilities();
  checkAccelerator(wish.accelerator, accelerators);
  if (wish.storage === "qcow2" && !diskFormats.includes("qcow2")) {
    throw new EmberError("usage", `${name} cannot use disks of qcow2 storage`, {
      hint: "use another storage, or --hypervisor qemu",
    });
  }
  const probe = await driver.probe();
  if (probe.usable) return driver;
  throw Object.assign(cannotBeUsed(name, probe), { remarkable: probe.remarkable === true });
}

/** The first network that works here with that hypervisor, or the named one. Throws `host-unsupported`, `usage`. */
async function chooseNetwork(
  wanted: string,
  hypervisor: Hypervisor,
  context: NetworkContext,
): Promise<Network> {
  const names = wanted === "auto" ? Object.keys(networkDrivers) : [wanted];
  let refusal = unknownDriver("network", wanted, Object.keys(networkDrivers));
  for (const name of names) {
    const driver = await networkDrivers[name]?.(context);
    if (driver === undefined) continue;
    if (!hypervisor.capabilities().nics.includes(driver.capabilities.nic)) {
      refusal = new EmberError("usage", `${hypervisor.name} cannot use the network driver '${name}'`, {
        hint: "leave out either --network or --hypervisor",
      });
      continue;
    }
    const probe = await driver.probe();
    if (probe.usable) return driver;
    refusal = cannotBeUsed(name, probe);
  }
  throw refusal;
}

/**
 * Where VMs get their addresses from: the subnet asked for, else the one kept from before, else the usual one or, where
 * the host has other uses for that, a free one. Throws `usage`, `subnet-taken` with a free one as the hint.
 */
export async function chooseSubnet(
  network: Network,
  wanted: string | undefined,
  kept: string | undefined,
): Promise<string> {
  const subnet = formatNetwork4(
    checkSubnet(wanted ?? kept ?? defaultSubnet, network.capabilities.blockPrefix),
  );
  const clash = await network.subnetClash?.(subnet);
  if (clash === undefined) return subnet;
  if (wanted === undefined && kept === undefined && clash.free !== undefined) return clash.free;
  throw new EmberError("subnet-taken", `the subnet ${subnet} ${clash.why}`, {
    hint:
      clash.free === undefined
        ? "choose another with --subnet"
        : `choose another, such as: ember init --subnet ${clash.free}`,
  });
}

function cannotBeUsed(name: string, probe: { readonly reason: string; readonly hint: string }): EmberError {
  return new EmberError("host-unsupported", `${name} cannot be used here: ${probe.reason}`, {
    hint: probe.hint,
  });
}

export function unknownDriver(what: string, wanted: string, known: readonly string[]): EmberError {
  return new EmberError("usage", `there is no ${what} driver '${wanted}' on this platform`, {
    hint: `choose one of: auto, ${known.join(", ")}`,
  });
}
