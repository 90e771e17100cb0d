import { EmberError } from "../errors/ember-error.ts";
import type { GuestNetwork } from "../network/network.ts";

/** What the agent runs beside itself, or as its only charge. */
export interface GuestProcess {
  /** "auto": the image's init when it has one, else the entry point. "none": the agent alone. */
  readonly mode: "auto" | "init" | "entrypoint" | "none";
  readonly argv: readonly string[];
  /** The user named the command: it runs also beside the image's own init. */
  readonly explicit: boolean;
  /** "KEY=value", order kept. */
  readonly env: readonly string[];
  /** "" for root; "name", "uid", "name:group" or "uid:gid" as in an image's configuration. */
  readonly user: string;
  /** "" for the root folder. */
  readonly workdir: string;
  readonly stopSignal: string;
  readonly onExit: "stay" | "poweroff";
}

/** Everything that makes a guest this VM's and no other's: handed over in the initrd as `/ember/identity.json`. */
export interface GuestIdentity {
  readonly vmId: string;
  readonly hostname: string;
  /** The host's clock at boot: milliseconds since 1970. */
  readonly bootTimeMs: number;
  readonly root: { readonly device: string; readonly fsType: string; readonly readOnly: boolean };
  readonly network: GuestNetwork | null;
  readonly hosts: readonly { readonly name: string; readonly address: string }[];
  readonly agent: {
    /** "tcp:PORT" and "vsock:PORT". */
    readonly listen: readonly string[];
    /** The private half of the host key that clients have pinned. */
    readonly hostKey: string;
    readonly authorizedKeys: readonly string[];
    /** "vsock:PORT" where the hypervisor asks for the guest's services, which it publishes, and for the guest's end. */
    readonly publish?: string;
  };
  readonly process: GuestProcess;
  /** Certificates of authorities, one in each PEM text, that the guest trusts besides its image's: of its own secrets. */
  readonly trust?: readonly string[];
  /** The user that a session without a user of its own runs as. */
  readonly sessionUser: string;
  /** How the machine is turned off: some virtual machines have no power switch but end on a reboot. */
  readonly powerOff: "poweroff" | "reboot";
  /** For the image's cloud-init, which is told the rest of this as well. */
  readonly userData?: string;
}

/** The layout of identity.json that this ember writes; an agent that does not know it refuses to boot. */
export const identityVersion = 1;

/**
 * The content of `/ember/identity.json`. It holds a private key: keep it in 0600 files.
 * Throws `invalid-config` for a value with a NUL byte, which no argument, variable or file of a guest can carry.
 */
export function identityJson(identity: GuestIdentity): string {
  return `${JSON.stringify({ version: identityVersion, ...identity }, refuseNul)}\n`;
}

function refuseNul(key: string, value: unknown): unknown {
  if (typeof value === "string" && value.includes("\0")) {
    throw new EmberError("invalid-config", `'${key}' of a VM's configuration holds a NUL byte`);
  }
  return value;
}
