import type { GuestIdentity } from "../guest/identity.ts";
import type { HypervisorCapabilities, NicSpec } from "../hypervisor/hypervisor.ts";
import { agentGuestPort, publishGuestPort } from "../network/agent-port.ts";
import type { Attachment } from "../network/network.ts";
import type { ImageRecord } from "../state/images.ts";
import type { VmRecord } from "../state/vms.ts";
import type { ImageConfig } from "../types.ts";
import { placeholdersOf, type StoredSecrets } from "./secrets.ts";

/** What the guest is told at boot. */
export function identityOf(
  vm: VmRecord,
  image: Pick<ImageRecord, "config" | "fileSystem">,
  { nic, guest }: Pick<Attachment, "nic" | "guest">,
  capabilities: HypervisorCapabilities,
  clientPublicKey: string,
  siblings: readonly { readonly name: string; readonly address: string }[],
  stored: StoredSecrets | undefined = undefined,
): GuestIdentity {
  const network = hasInterface(nic) ? guest : null;
  // As Debian does for a machine without an address of its own.
  const address = network?.address.split("/")[0] ?? "127.0.1.1";
  return {
    vmId: vm.id,
    hostname: vm.name,
    bootTimeMs: Date.now(),
    root: { device: "/dev/vda", fsType: image.fileSystem, readOnly: false },
    network,
    hosts: [{ name: `${vm.name}.ember.internal`, address }, { name: vm.name, address }, ...siblings],
    agent: {
      listen: [capabilities.agentTransport === "tcp" ? `tcp:${agentGuestPort}` : `vsock:${agentGuestPort}`],
      hostKey: vm.hostKey,
      authorizedKeys: [clientPublicKey, ...vm.authorizedKeys],
      ...(capabilities.guestServices === true ? { publish: `vsock:${publishGuestPort}` } : {}),
    },
    process: {
      mode: "auto",
      argv: commandOf(vm, image.config),
      explicit: vm.command.length > 0,
      env: mergeEnvironment(image.config.environment, { ...vm.environment, ...placeholdersOf(stored) }),
      user: image.config.user,
      workdir: image.config.workdir,
      stopSignal: image.config.stopSignal,
      onExit: vm.onExit,
    },
    ...(stored === undefined ? {} : { trust: [stored.authority.certificate] }),
    sessionUser: vm.user,
    ...(vm.userData === "" ? {} : { userData: vm.userData }),
    powerOff: capabilities.guestPowerOff,
  };
}

function hasInterface(nic: NicSpec): boolean {
  return nic.kind !== "vmnet" || !nic.isolated;
}

function commandOf(vm: VmRecord, image: ImageConfig): readonly string[] {
  if (!vm.runCommand) return [];
  return vm.command.length > 0 ? vm.command : [...image.entrypoint, ...image.command];
}

/** The image's environment with the VM's on top; a name set again keeps its place. */
function mergeEnvironment(image: readonly string[], vm: Readonly<Record<string, string>>): string[] {
  const merged = new Map<string, string>();
  for (const entry of image) {
    const at = entry.indexOf("=");
    if (at > 0) merged.set(entry.slice(0, at), entry.slice(at + 1));
  }
  for (const [name, value] of Object.entries(vm)) merged.set(name, value);
  return Array.from(merged, ([name, value]) => `${name}=${value}`);
}
