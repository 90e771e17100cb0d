import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { EmberError } from "../../errors/ember-error.ts";
import { deleteInterface, hasInterface, ipBatch, tapState } from "../../host/ip.ts";

export interface TapDevice {
  readonly name: string;
  /** Of the host's side, "10.100.0.1/30". */
  readonly address: string;
  /** Who may open it besides root. */
  readonly userId: number | undefined;
  /** Whether packets of the host's loopback may leave by it, for ports published there. */
  readonly loopback: boolean;
}

/**
 * Post-condition: nothing has the name. A TAP that is left of before, and that nobody uses, is removed: its owner may be
 * another now. Throws `wrong-state` when something else has the name or the TAP is in use.
 */
export async function freeName(name: string): Promise<void> {
  if (!hasInterface(name)) return;
  const state = await tapState(name);
  if (state === "held") throw tapInUse(name);
  if (state === "other") {
    throw new EmberError("wrong-state", `the host has an interface '${name}' that is no TAP`, {
      hint: `see what it is with 'ip link show ${name}', and remove it`,
    });
  }
  await deleteInterface(name);
}

/**
 * Post-condition: the TAP is there, up, with its address and without IPv6. Its name must be free (see `freeName`).
 * Throws `wrong-state` when it has been taken meanwhile, `tool-missing`, `permission-denied`; then it is not there.
 */
export async function makeTap(tap: TapDevice): Promise<void> {
  const { name } = tap;
  const owner = ` user ${tap.userId ?? 0}`; // without an owner, anybody could open it
  try {
    await ipBatch([
      `tuntap add dev ${name} mode tap vnet_hdr${owner}`,
      `address replace ${tap.address} dev ${name}`,
      `link set dev ${name} up`,
    ]);
  } catch (error) {
    if (!isTaken(error)) await deleteInterface(name);
    throw tapFailure(name, error);
  }
  try {
    // Until somebody opens it, nothing leaves by it.
    writeSetting(`net/ipv6/conf/${name}/disable_ipv6`, "1");
    writeSetting(`net/ipv4/conf/${name}/forwarding`, "1");
    if (tap.loopback) allowLoopback(name);
  } catch (error) {
    await deleteInterface(name);
    throw error;
  }
}

/** Post-condition: there is no TAP of that name; what else has the name stays. Idempotent. */
export async function removeTap(name: string): Promise<void> {
  if (hasInterface(name) && (await tapState(name)) !== "other") await deleteInterface(name);
}

/** Post-condition: packets of the host's loopback may leave by the TAP. */
export function allowLoopback(name: string): void {
  writeSetting(`net/ipv4/conf/${name}/route_localnet`, "1");
}

function tapInUse(name: string, cause?: unknown): EmberError {
  return new EmberError("wrong-state", `the TAP '${name}' is in use by another process`, {
    hint: "end that process first: it may be a hypervisor that ember does not know",
    cause,
  });
}

/** Somebody else has made it, since it was seen that nothing has the name. */
function isTaken(error: unknown): boolean {
  return error instanceof EmberError && /busy/i.test(error.message);
}

function tapFailure(name: string, error: unknown): unknown {
  if (!(error instanceof EmberError)) return error;
  if (isTaken(error)) return tapInUse(name, error);
  if (/not permitted|permission/i.test(error.message)) {
    return new EmberError("permission-denied", `this user may not make the TAP '${name}'`, {
      hint: "run ember as root, or use the network driver 'user'",
      cause: error,
    });
  }
  return error;
}

/** A value below /proc/sys. What a kernel was built without (IPv6) needs no setting. */
function writeSetting(path: string, value: string): void {
  const file = `/proc/sys/${path}`;
  if (existsSync(file) && readFileSync(file, "utf8").trim() !== value) writeFileSync(file, value);
}

/** Post-condition: the host passes packets between its interfaces. Says whether that was switched on just now. */
export function enableForwarding(): boolean {
  const file = "/proc/sys/net/ipv4/ip_forward";
  if (readFileSync(file, "utf8").trim() === "1") return false;
  try {
    writeFileSync(file, "1");
    return true;
  } catch (error) {
    throw new EmberError("permission-denied", "IP forwarding is off and cannot be switched on", {
      hint: "as root: sysctl -w net.ipv4.ip_forward=1",
      cause: error,
    });
  }
}
