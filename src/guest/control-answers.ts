import * as v from "valibot";

/** The answer to `ready`. */
export interface AgentReady {
  readonly vmId: string;
  readonly agentVersion: string;
  /** "init", "entrypoint" or "none": what the agent runs beside itself. */
  readonly mode: string;
  /** From the kernel's start to the agent's readiness. */
  readonly bootMs: number;
}

export interface AgentInfo {
  readonly kernel: string;
  readonly arch: string;
  readonly hostname: string;
  readonly os: string;
  readonly uptimeSeconds: number;
  /** Global addresses with their prefix lengths. */
  readonly addresses: readonly string[];
  readonly mode: string;
  readonly process: {
    readonly state: string;
    readonly pid?: number | undefined;
    readonly exitStatus?: number | undefined;
  };
}

export interface GuestMetrics {
  /** Over one minute. */
  readonly loadAverage: number;
  readonly memoryTotalBytes: number;
  readonly memoryAvailableBytes: number;
  readonly diskTotalBytes: number;
  readonly diskUsedBytes: number;
  /** Over all network interfaces but loopback, since boot. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly processes: number;
}

export interface GrownDisk {
  readonly beforeBytes: number;
  readonly afterBytes: number;
}

/** The answer to `thaw`. */
export interface FrozenGuest {
  /** How long writes were held back, by the guest's own clock. */
  readonly frozenMs: number;
  /** False: writes had gone on before, because the limit had passed or somebody in the guest thawed. */
  readonly held: boolean;
}

export interface TrimmedDisk {
  readonly trimmedBytes: number;
  /** False: the time was up before all of the disk was looked at. */
  readonly complete: boolean;
}

/** The answer to `set-hosts`. */
export interface AppliedHosts {
  /** False: a later list holds already, or more parts of this one are to come. */
  readonly applied: boolean;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const amount = v.pipe(v.number(), v.finite(), v.minValue(0));
const text = v.pipe(v.string(), v.maxLength(256));

const ready: v.GenericSchema<unknown, AgentReady> = v.object({
  vmId: text,
  agentVersion: text,
  mode: text,
  bootMs: amount,
});

const info: v.GenericSchema<unknown, AgentInfo> = v.object({
  kernel: text,
  arch: text,
  hostname: text,
  os: text,
  uptimeSeconds: amount,
  addresses: v.pipe(v.array(text), v.maxLength(64)),
  mode: text,
  process: v.object({ state: text, pid: v.optional(count), exitStatus: v.optional(count) }),
});

/** As the agent sends it; of several network interfaces the sum is of interest. */
const metrics: v.GenericSchema<unknown, GuestMetrics> = v.pipe(
  v.object({
    load: v.tuple([amount, amount, amount]),
    memory: v.object({ totalBytes: count, availableBytes: count }),
    disk: v.object({ totalBytes: count, usedBytes: count }),
    network: v.pipe(v.array(v.object({ rxBytes: count, txBytes: count })), v.maxLength(64)),
    processes: count,
  }),
  v.transform((sent) => ({
    loadAverage: sent.load[0],
    memoryTotalBytes: sent.memory.totalBytes,
    memoryAvailableBytes: sent.memory.availableBytes,
    diskTotalBytes: sent.disk.totalBytes,
    diskUsedBytes: sent.disk.usedBytes,
    receivedBytes: sent.network.reduce((sum, nic) => sum + nic.rxBytes, 0),
    sentBytes: sent.network.reduce((sum, nic) => sum + nic.txBytes, 0),
    processes: sent.processes,
  })),
);

const grow: v.GenericSchema<unknown, GrownDisk> = v.object({ beforeBytes: count, afterBytes: count });

const thaw: v.GenericSchema<unknown, FrozenGuest> = v.object({ frozenMs: amount, held: v.boolean() });

const trim: v.GenericSchema<unknown, TrimmedDisk> = v.object({ trimmedBytes: count, complete: v.boolean() });

const setHosts: v.GenericSchema<unknown, AppliedHosts> = v.object({ applied: v.boolean() });

/** The form of each answer. The guest is not trusted: nothing of it is used that has not been through here. */
export const answers: {
  readonly ready: typeof ready;
  readonly info: typeof info;
  readonly metrics: typeof metrics;
  readonly grow: typeof grow;
  readonly thaw: typeof thaw;
  readonly trim: typeof trim;
  readonly setHosts: typeof setHosts;
} = { ready, info, metrics, grow, thaw, trim, setHosts };
