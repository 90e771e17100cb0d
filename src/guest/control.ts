import * as v from "valibot";
import { EmberError } from "../errors/ember-error.ts";
import type { GuestNetwork } from "../network/network.ts";
import type { AgentChannel } from "./channel.ts";
import {
  type AgentInfo,
  type AgentReady,
  answers,
  type FrozenGuest,
  type GrownDisk,
  type GuestMetrics,
  type TrimmedDisk,
} from "./control-answers.ts";
import { RpcClient } from "./rpc.ts";

/** What becomes of a copy of a VM that goes on running; what is left out stays as it is. */
export interface NewIdentity {
  readonly vmId?: string;
  readonly hostname?: string;
  readonly hostKey?: string;
  readonly authorizedKeys?: readonly string[];
  readonly network?: GuestNetwork;
  readonly hosts?: readonly { readonly name: string; readonly address: string }[];
  /** 32 hexadecimal digits for /etc/machine-id. */
  readonly machineId?: string;
}

/** All other VMs that the guest may know by name. Of two lists the one with the higher revision holds. */
export interface HostList {
  readonly revision: number;
  readonly hosts: readonly { readonly name: string; readonly address: string }[];
}

/**
 * The agent's control subsystem, which it opens for root only. Every call throws `guest-failed` with the agent's
 * reason (or when its answer is not of the agreed form), `guest-unreachable`, or `timeout`.
 */
export interface AgentControl extends AsyncDisposable {
  /** Hands the host's clock over and asks who is there. */
  ready(): Promise<AgentReady>;
  info(): Promise<AgentInfo>;
  metrics(): Promise<GuestMetrics>;
  /** Grows the root file system to its disk, once that has at least `deviceBytes`. Idempotent. */
  grow(deviceBytes?: number): Promise<GrownDisk>;
  /** Flushes, and holds all writes to the guest's disks back until `thaw`, the end of this stream, or until
   *  `timeoutMs` have passed. */
  freeze(timeoutMs: number): Promise<void>;
  /** Idempotent; the answer says whether writes were held back until now. */
  thaw(): Promise<FrozenGuest>;
  /** Tells the disks which blocks are free; given up when this stream ends. */
  trim(): Promise<TrimmedDisk>;
  /** Hands the host's clock over. */
  setClock(): Promise<void>;
  newIdentity(identity: NewIdentity): Promise<void>;
  /** Makes the guest's /etc/hosts name these VMs and no other; false when a later list holds there already. */
  setHosts(list: HostList): Promise<boolean>;
  /** Resolves when the guest has begun to go down; its processes get `timeoutMs` to end by themselves. */
  shutdown(options: { readonly timeoutMs: number; readonly reboot?: boolean }): Promise<void>;
}

const callLimitMs = 10_000;
/** Growing and trimming work through a whole disk; freezing first writes what the guest has not written yet. */
const diskCallLimitMs = 120_000;
/** An emulated guest grows by three terabytes a minute at first, and by less and less. */
const growLimitMs = (deviceBytes: number): number => diskCallLimitMs + (deviceBytes / 2 ** 40) * 120_000;
/** A trim ends by itself before nobody waits for its answer any more. */
const trimLimitMs = diskCallLimitMs - 10_000;
/** The longest time that the agent takes as a limit. */
const longestShutdownMs = 3_600_000;
/** The agent takes requests of up to 1 MiB; a host's name and address are at most 300 bytes of that. */
const hostsPerRequest = 3000;

/** Opens the control stream. The caller disposes it. Throws `guest-unreachable`, `guest-failed`. */
export async function openControl(agent: AgentChannel): Promise<AgentControl> {
  const rpc = new RpcClient(agent, await agent.subsystem("ember-control"));
  const call = async <T>(
    method: string,
    params: object,
    schema: v.GenericSchema<unknown, T>,
    timeoutMs: number = callLimitMs,
  ): Promise<T> => {
    const result = v.safeParse(schema, await rpc.call(method, params, timeoutMs));
    if (result.success) return result.output;
    throw new EmberError("guest-failed", `the agent's answer to '${method}' is not of the agreed form`, {
      hint: "a guest that was started by another version of ember has that version's agent: restart the VM",
      cause: new v.ValiError(result.issues),
    });
  };
  const order = async (method: string, params: object): Promise<void> => {
    await call(method, params, v.unknown());
  };
  return {
    ready: () => call("ready", { timeMs: Date.now() }, answers.ready),
    info: () => call("info", {}, answers.info),
    metrics: () => call("metrics", {}, answers.metrics),
    grow: (deviceBytes = 0) => call("grow", { deviceBytes }, answers.grow, growLimitMs(deviceBytes)),
    freeze: async (timeoutMs) => {
      await call("freeze", { timeoutMs }, v.unknown(), diskCallLimitMs);
    },
    thaw: () => call("thaw", {}, answers.thaw),
    trim: () => call("trim", { timeoutMs: trimLimitMs }, answers.trim, diskCallLimitMs),
    setClock: () => order("set-clock", { timeMs: Date.now() }),
    newIdentity: (identity) => order("new-identity", identity),
    setHosts: async ({ revision, hosts }) => {
      for (let offset = 0; ; offset += hostsPerRequest) {
        const part = hosts.slice(offset, offset + hostsPerRequest);
        const more = offset + part.length < hosts.length;
        const params = { revision, hosts: part, offset, more };
        const { applied } = await call("set-hosts", params, answers.setHosts);
        if (!more) return applied;
      }
    },
    shutdown: ({ timeoutMs, reboot = false }) =>
      order("shutdown", {
        timeoutMs: Math.min(Math.max(0, Math.round(timeoutMs)), longestShutdownMs),
        reboot,
      }),
    async [Symbol.asyncDispose]() {
      rpc.close();
    },
  };
}
