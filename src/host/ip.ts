import { existsSync } from "node:fs";
import { EmberError } from "../errors/ember-error.ts";
import { run } from "./run.ts";

const limitMs = 30_000;

/** Runs commands of iproute2 in one process; it ends at the first that fails. Throws `tool-missing`, `tool-failed`. */
export async function ipBatch(commands: readonly string[]): Promise<void> {
  await run("ip", ["-batch", "-"], { input: `${commands.join("\n")}\n`, timeoutMs: limitMs });
}

/** Post-condition: there is no interface of that name. Idempotent. Throws `tool-failed`. */
export async function deleteInterface(name: string): Promise<void> {
  const { status, stderr } = await run("ip", ["link", "delete", "dev", name], {
    okStatuses: [0, 1, 2],
    timeoutMs: limitMs,
  });
  if (status === 0 || /cannot find device|does not exist/i.test(stderr)) return;
  throw new EmberError("tool-failed", `the interface '${name}' could not be deleted: ${stderr.trim()}`);
}

/** Whether this network namespace has an interface of that name. (Of /sys/class/net, whose mount decides, that need not be true.) */
export function hasInterface(name: string): boolean {
  return existsSync(`/proc/sys/net/ipv4/conf/${name}`);
}

/** What kind of interface that is: a TAP that a process holds open has a carrier. Throws `tool-failed` when there is none. */
export async function tapState(name: string): Promise<"free" | "held" | "other"> {
  const { stdout } = await run("ip", ["-details", "link", "show", "dev", name], { timeoutMs: limitMs });
  if (!/^\s+tun type tap/m.test(stdout)) return "other";
  return /<[^>]*\bLOWER_UP\b/.test(stdout) ? "held" : "free";
}

export interface Route4 {
  readonly device: string;
  /** "10.0.0.0/8"; the default route is "0.0.0.0/0". */
  readonly network: string;
  readonly metric: number;
}

/** Routes of the main table as /proc/net/route shows them (addresses are hexadecimal, in the host's byte order). */
export function parseRoutes(text: string): readonly Route4[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line): Route4[] => {
      const [device, destination = "", , flags = "", , , metric, mask = ""] = line.trim().split(/\s+/);
      if (device === undefined || !/^[0-9A-F]{8}$/.test(destination) || !/^[0-9A-F]{8}$/.test(mask))
        return [];
      if ((Number.parseInt(flags, 16) & routeUp) === 0) return [];
      const prefix = bytesOf(mask).reduce((sum, byte) => sum + ones(byte), 0);
      return [{ device, network: `${bytesOf(destination).join(".")}/${prefix}`, metric: Number(metric) }];
    });
}

/** RTF_UP of linux/route.h. */
const routeUp = 1;

function bytesOf(hex: string): number[] {
  return [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

function ones(byte: number): number {
  return byte.toString(2).replaceAll("0", "").length;
}
