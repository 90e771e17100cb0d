import { appendFileSync } from "node:fs";
import type { ApiRequest } from "./http-server.ts";
import layout from "./metrics.json" with { type: "json" };

type Numbers = { [name: string]: number | Numbers };

/** Groups and names of request counters, by method and the path's first part. */
const requestCounters: Readonly<Record<string, readonly [string, string]>> = {
  "GET ": ["get_api_requests", "instance_info"],
  "GET version": ["get_api_requests", "vmm_version"],
  "GET machine-config": ["get_api_requests", "machine_cfg"],
  "PUT actions": ["put_api_requests", "actions"],
  "PUT boot-source": ["put_api_requests", "boot_source"],
  "PUT drives": ["put_api_requests", "drive"],
  "PUT logger": ["put_api_requests", "logger"],
  "PUT machine-config": ["put_api_requests", "machine_cfg"],
  "PUT metrics": ["put_api_requests", "metrics"],
  "PUT network-interfaces": ["put_api_requests", "network"],
  "PUT serial": ["put_api_requests", "serial"],
  "PUT vsock": ["put_api_requests", "vsock"],
  "PATCH drives": ["patch_api_requests", "drive"],
  "PATCH network-interfaces": ["patch_api_requests", "network"],
  "PATCH machine-config": ["patch_api_requests", "machine_cfg"],
};

/** What one device of the VM counts, since it started. */
export interface DeviceCounters {
  /** "block_rootfs", "net_eth0". */
  readonly name: string;
  readonly kind: "block" | "net";
  readonly counters: Readonly<Record<string, number>>;
}

/** The file of metrics: a line of JSON at a time, with what has been counted since the line before. */
export class Metrics {
  path: string | undefined;
  #requests = new Map<string, number>();
  readonly #written = new Map<string, number>();

  count({ method, path }: ApiRequest, failed: boolean): void {
    const counter = requestCounters[`${method} ${path.split("/")[1] ?? ""}`];
    if (counter === undefined) return;
    const [group, name] = counter;
    this.#add(`${group}.${name}_count`);
    if (failed && group !== "get_api_requests") this.#add(`${group}.${name}_fails`);
  }

  #add(name: string): void {
    this.#requests.set(name, (this.#requests.get(name) ?? 0) + 1);
  }

  write(devices: readonly DeviceCounters[]): void {
    if (this.path === undefined) return;
    const line: Numbers = { ...structuredClone(layout), utc_timestamp_ms: Date.now() };
    for (const [name, value] of this.#requests) {
      const [group = "", key = ""] = name.split(".");
      const numbers = line[group];
      if (typeof numbers === "object") numbers[key] = value;
    }
    this.#requests = new Map();
    for (const device of devices) this.#addDevice(line, device);
    appendFileSync(this.path, `${JSON.stringify(line)}\n`);
  }

  /** Under its own name, and added to what all of its kind count. */
  #addDevice(line: Numbers, { name, kind, counters }: DeviceCounters): void {
    const sum = line[kind];
    if (typeof sum !== "object") return;
    const own: Numbers = structuredClone(layout[kind]);
    for (const [key, value] of Object.entries(counters)) {
      const written = this.#written.get(`${name}.${key}`) ?? 0;
      this.#written.set(`${name}.${key}`, value);
      own[key] = value - written;
      const before = sum[key];
      sum[key] = (typeof before === "number" ? before : 0) + value - written;
    }
    line[name] = own;
  }
}
