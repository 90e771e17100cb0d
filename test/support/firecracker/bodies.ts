import type { BodyType, Field, StructType } from "./body-types.ts";

/** The bodies that version 1.15.1 takes, fields in its order. */

const text: BodyType = { kind: "text" };
const path: BodyType = { kind: "path" };
const bool: BodyType = { kind: "bool" };
const integer = (name: "u8" | "u16" | "u32" | "u64" | "usize"): BodyType => ({ kind: "integer", name });
const oneOf = (...values: string[]): BodyType => ({ kind: "one-of", values });
const needed = (type: BodyType): Field => ({ type });
const optional = (type: BodyType): Field => ({ type, optional: true });
const off: Field = { type: bool, otherwise: false };

function struct(name: string, fields: Readonly<Record<string, Field>>): StructType {
  return { kind: "struct", name, fields };
}

const level: BodyType = {
  kind: "checked",
  fault: (value) =>
    /^(off|trace|debug|info|warn|warning|error)$/i.test(value) ? undefined : "Invalid LevelFilter",
};

const mac: BodyType = {
  kind: "checked",
  fault: (value) =>
    /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(value) ? undefined : "The provided MAC address is invalid.",
};

const tokenBucket = struct("TokenBucketConfig", {
  size: needed(integer("u64")),
  one_time_burst: optional(integer("u64")),
  refill_time: needed(integer("u64")),
});

const rateLimiter = optional(
  struct("RateLimiterConfig", { bandwidth: optional(tokenBucket), ops: optional(tokenBucket) }),
);

const cpuTemplate = oneOf("C3", "T2", "T2S", "None", "T2CL", "T2A");
const hugePages = oneOf("None", "2M");

/** Each body that there is, by what it is for. */
export type BodyName =
  | "actions"
  | "balloon"
  | "balloonUpdate"
  | "balloonStatistics"
  | "bootSource"
  | "drive"
  | "driveUpdate"
  | "entropy"
  | "logger"
  | "machineConfig"
  | "machineConfigUpdate"
  | "metrics"
  | "network"
  | "networkUpdate"
  | "serial"
  | "snapshotCreate"
  | "snapshotLoad"
  | "vm"
  | "vsock";

export const bodies: Readonly<Record<BodyName, StructType>> = {
  actions: struct("ActionBody", {
    action_type: needed(oneOf("FlushMetrics", "InstanceStart", "SendCtrlAltDel")),
  }),
  balloon: struct("BalloonDeviceConfig", {
    amount_mib: needed(integer("u32")),
    deflate_on_oom: needed(bool),
    stats_polling_interval_s: { type: integer("u16"), otherwise: 0 },
    free_page_hinting: off,
    free_page_reporting: off,
  }),
  balloonUpdate: struct("BalloonUpdateConfig", { amount_mib: needed(integer("u32")) }),
  balloonStatistics: struct("BalloonUpdateStatsConfig", {
    stats_polling_interval_s: needed(integer("u16")),
  }),
  bootSource: struct("BootSourceConfig", {
    kernel_image_path: needed(text),
    initrd_path: optional(text),
    boot_args: optional(text),
  }),
  drive: struct("BlockDeviceConfig", {
    drive_id: needed(text),
    partuuid: optional(text),
    is_root_device: needed(bool),
    cache_type: { type: oneOf("Unsafe", "Writeback"), otherwise: "Unsafe" },
    is_read_only: optional(bool),
    path_on_host: optional(text),
    rate_limiter: rateLimiter,
    io_engine: optional(oneOf("Async", "Sync")),
    socket: optional(text),
  }),
  driveUpdate: struct("BlockDeviceUpdateConfig", {
    drive_id: needed(text),
    path_on_host: optional(text),
    rate_limiter: rateLimiter,
  }),
  entropy: struct("EntropyDeviceConfig", { rate_limiter: rateLimiter }),
  logger: struct("LoggerConfig", {
    log_path: optional(path),
    level: optional(level),
    show_level: optional(bool),
    show_log_origin: optional(bool),
    module: optional(text),
  }),
  machineConfig: struct("MachineConfig", {
    vcpu_count: needed(integer("u8")),
    mem_size_mib: needed(integer("usize")),
    smt: off,
    cpu_template: optional(cpuTemplate),
    track_dirty_pages: off,
    huge_pages: { type: hugePages, otherwise: "None" },
  }),
  machineConfigUpdate: struct("MachineConfigUpdate", {
    vcpu_count: optional(integer("u8")),
    mem_size_mib: optional(integer("usize")),
    smt: optional(bool),
    cpu_template: optional(cpuTemplate),
    track_dirty_pages: optional(bool),
    huge_pages: optional(hugePages),
  }),
  metrics: struct("MetricsConfig", { metrics_path: needed(path) }),
  network: struct("NetworkInterfaceConfig", {
    iface_id: needed(text),
    host_dev_name: needed(text),
    guest_mac: optional(mac),
    rx_rate_limiter: rateLimiter,
    tx_rate_limiter: rateLimiter,
  }),
  networkUpdate: struct("NetworkInterfaceUpdateConfig", {
    iface_id: needed(text),
    rx_rate_limiter: rateLimiter,
    tx_rate_limiter: rateLimiter,
  }),
  serial: struct("SerialConfig", { serial_out_path: optional(path) }),
  snapshotCreate: struct("CreateSnapshotParams", {
    snapshot_type: { type: oneOf("Diff", "Full"), otherwise: "Full" },
    snapshot_path: needed(path),
    mem_file_path: needed(path),
  }),
  snapshotLoad: struct("LoadSnapshotConfig", {
    snapshot_path: needed(path),
    mem_file_path: optional(path),
    mem_backend: optional(
      struct("MemBackendConfig", {
        backend_path: needed(path),
        backend_type: needed(oneOf("File", "Uffd")),
      }),
    ),
    enable_diff_snapshots: off,
    track_dirty_pages: off,
    resume_vm: off,
    network_overrides: {
      type: {
        kind: "list",
        of: struct("NetworkOverride", { iface_id: needed(text), host_dev_name: needed(text) }),
      },
      otherwise: [],
    },
    clock_realtime: off,
  }),
  vm: struct("Vm", { state: needed(oneOf("Paused", "Resumed")) }),
  vsock: struct("VsockDeviceConfig", {
    vsock_id: optional(text),
    guest_cid: needed(integer("u32")),
    uds_path: needed(text),
  }),
};
