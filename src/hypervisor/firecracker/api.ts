import { EmberError } from "../../errors/ember-error.ts";
import { exchange, type HttpAnswer } from "./exchange.ts";

/** Bodies of the API's requests, as far as ember sends them (Firecracker's own description, firecracker_spec.yaml). */
export interface Bodies {
  readonly machineConfig: { readonly vcpu_count: number; readonly mem_size_mib: number };
  readonly bootSource: {
    readonly kernel_image_path: string;
    readonly initrd_path: string;
    readonly boot_args: string;
  };
  readonly drive: {
    readonly drive_id: string;
    readonly path_on_host: string;
    readonly is_root_device: boolean;
    readonly is_read_only: boolean;
    readonly cache_type: "Unsafe" | "Writeback";
    readonly io_engine: "Sync" | "Async";
    readonly rate_limiter?: RateLimiter;
  };
  readonly networkInterface: {
    readonly iface_id: string;
    readonly host_dev_name: string;
    readonly guest_mac: string;
    readonly rx_rate_limiter?: RateLimiter;
    readonly tx_rate_limiter?: RateLimiter;
  };
  readonly vsock: { readonly guest_cid: number; readonly uds_path: string };
  readonly balloon: { readonly amount_mib: number; readonly deflate_on_oom: boolean };
}

/** Buckets of bytes and of operations: `size` of them, refilled in `refill_time` ms. */
export interface RateLimiter {
  readonly bandwidth?: { readonly size: number; readonly refill_time: number };
  readonly ops?: { readonly size: number; readonly refill_time: number };
}

export type VmState = "Not started" | "Running" | "Paused";

/**
 * One Firecracker process, over its API socket. Each method throws `hypervisor-failed` with what was asked and the
 * answer's `fault_message`, or when nobody answers in time.
 */
export class FirecrackerApi {
  readonly #socketPath: string;
  readonly #signal: AbortSignal | undefined;

  constructor(socketPath: string, signal?: AbortSignal) {
    this.#socketPath = socketPath;
    this.#signal = signal;
  }

  async version(): Promise<string> {
    return textField(await this.#send("GET", "/version"), "firecracker_version");
  }

  async state(): Promise<VmState> {
    const state = textField(await this.#send("GET", "/"), "state");
    if (state === "Not started" || state === "Running" || state === "Paused") return state;
    throw strange("GET", "/", `an unknown state '${state}'`);
  }

  async setMachine(body: Bodies["machineConfig"]): Promise<void> {
    await this.#send("PUT", "/machine-config", body);
  }

  async setBootSource(body: Bodies["bootSource"]): Promise<void> {
    await this.#send("PUT", "/boot-source", body);
  }

  async addDrive(body: Bodies["drive"]): Promise<void> {
    await this.#send("PUT", `/drives/${body.drive_id}`, body);
  }

  /** Tells the guest the size that the drive's file has now. */
  async refreshDrive(driveId: string, path: string): Promise<void> {
    await this.#send("PATCH", `/drives/${driveId}`, { drive_id: driveId, path_on_host: path });
  }

  async addNetworkInterface(body: Bodies["networkInterface"]): Promise<void> {
    await this.#send("PUT", `/network-interfaces/${body.iface_id}`, body);
  }

  async setVsock(body: Bodies["vsock"]): Promise<void> {
    await this.#send("PUT", "/vsock", body);
  }

  async setBalloon(body: Bodies["balloon"]): Promise<void> {
    await this.#send("PUT", "/balloon", body);
  }

  async addEntropy(): Promise<void> {
    await this.#send("PUT", "/entropy", {});
  }

  async setMetrics(path: string): Promise<void> {
    await this.#send("PUT", "/metrics", { metrics_path: path });
  }

  async setLogger(path: string): Promise<void> {
    await this.#send("PUT", "/logger", { log_path: path, level: "Warning" });
  }

  /** Of a paused VM. */
  async createSnapshot(statePath: string, memoryPath: string): Promise<void> {
    const body = { snapshot_type: "Full", snapshot_path: statePath, mem_file_path: memoryPath };
    await this.#send("PUT", "/snapshot/create", body);
  }

  /** Before anything else is described. A failure ends the process. */
  async loadSnapshot(statePath: string, memoryPath: string): Promise<void> {
    const memory = { backend_type: "File", backend_path: memoryPath };
    await this.#send("PUT", "/snapshot/load", { snapshot_path: statePath, mem_backend: memory });
  }

  async act(action: "InstanceStart" | "SendCtrlAltDel" | "FlushMetrics"): Promise<void> {
    await this.#send("PUT", "/actions", { action_type: action });
  }

  async setState(state: "Paused" | "Resumed"): Promise<void> {
    await this.#send("PATCH", "/vm", { state });
  }

  async #send(method: "GET" | "PUT" | "PATCH", path: string, body?: object): Promise<unknown> {
    const { status, text } = await this.#exchange(method, path, body);
    if (method !== "GET" && status === 204) return undefined;
    const answer = parse(text);
    if (method === "GET" && status === 200 && answer !== undefined) return answer;
    const fault = fieldsOf(answer)["fault_message"];
    if (status >= 400 && typeof fault === "string") throw refused(method, path, fault);
    throw strange(method, path, `status ${status}`);
  }

  async #exchange(method: string, path: string, body: object | undefined): Promise<HttpAnswer> {
    try {
      return await exchange(this.#socketPath, { method, path, body }, this.#signal);
    } catch (error) {
      if (this.#signal?.aborted === true)
        throw new EmberError("interrupted", "the start of the hypervisor was interrupted");
      throw strange(method, path, error instanceof Error ? error.message : String(error), error);
    }
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // the caller says that the answer is none
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function textField(answer: unknown, name: string): string {
  const value = fieldsOf(answer)[name];
  if (typeof value === "string") return value;
  throw new EmberError("hypervisor-failed", `the hypervisor's answer lacks '${name}'`);
}

function strange(method: string, path: string, why: string, cause?: unknown): EmberError {
  const message = `the hypervisor did not answer '${method} ${path}' as expected: ${why}`;
  return new EmberError("hypervisor-failed", message, cause === undefined ? {} : { cause });
}

function refused(method: string, path: string, fault: string): EmberError {
  const said = fault.replaceAll(/\s+/g, " ").trim().slice(0, 500);
  if (/kernel loader|kernel image|initrd/i.test(said)) {
    return new EmberError("kernel-invalid", `the hypervisor cannot boot the kernel: ${said}`, {
      hint: "see 'ember kernel list' for others",
    });
  }
  if (/\/dev\/kvm|kvm/i.test(said)) {
    return new EmberError("host-unsupported", `hardware virtualisation cannot be used: ${said}`, {
      hint: "see 'ember doctor'",
    });
  }
  if (/tap device/i.test(said)) {
    return new EmberError("hypervisor-failed", `the VM's network interface cannot be used: ${said}`, {
      hint: "another process may hold it: see 'ip -details link' and end that one",
    });
  }
  return new EmberError("hypervisor-failed", `the hypervisor refused '${method} ${path}': ${said}`);
}
