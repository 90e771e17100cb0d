import { closeSync, openSync, readFileSync } from "node:fs";
import { type Answer, codeOf, done, json, Refusal, systemErrorWords } from "./answers.ts";
import type { Body } from "./body-types.ts";
import { Guest } from "./guest.ts";
import type { Jail } from "./jail.ts";
import { kernelFault } from "./kernel-file.ts";
import type { Log } from "./log.ts";
import { type DeviceCounters, Metrics } from "./metrics.ts";
import type { Action, Call } from "./requests.ts";
import { Resources } from "./resources.ts";

const afterStart = "The requested operation is not supported after starting the microVM.";
const beforeStart = "The requested operation is not supported before starting the microVM.";

const onlyBefore: ReadonlySet<Action> = new Set<Action>([
  ...([
    "bootSource",
    "logger",
    "metrics",
    "serial",
    "machineConfig",
    "machineConfigUpdate",
    "vsock",
  ] as const),
  ...(["entropy", "balloon", "drive", "network", "snapshotLoad"] as const),
]);
const onlyAfter: ReadonlySet<Action> = new Set<Action>([
  ...(["snapshotCreate", "vm", "balloonUpdate", "balloonStatistics", "getBalloonStatistics"] as const),
  ...(["driveUpdate", "networkUpdate"] as const),
]);
/** After one of these, also a refused one, no snapshot can be loaded. */
const bootPath: ReadonlySet<Action> = new Set<Action>([
  "bootSource",
  "drive",
  "network",
  "vsock",
  "balloon",
  "entropy",
  "machineConfig",
  "machineConfigUpdate",
]);

export interface Instance {
  readonly id: string;
  readonly version: string;
  readonly jail: Jail;
  readonly log: Log;
  readonly exit: (status: number) => void;
}

/** The VM behind the API: which call is allowed when, and what it does. */
export class MicroVm {
  readonly metrics: Metrics = new Metrics();
  readonly #instance: Instance;
  readonly #vm: Resources;
  #state: "Not started" | "Running" | "Paused" = "Not started";
  #guest: Guest | undefined;
  #bootPath = false;

  constructor(instance: Instance) {
    this.#instance = instance;
    this.#vm = new Resources(instance.jail);
  }

  /** Throws `Refusal` with Firecracker's message. */
  async perform({ action, body }: Call): Promise<Answer> {
    if (this.#guest === undefined && onlyAfter.has(action)) throw new Refusal(beforeStart);
    if (this.#guest !== undefined && onlyBefore.has(action)) throw new Refusal(afterStart);
    if (bootPath.has(action)) this.#bootPath = true;
    const told = this.#tell(action);
    if (told !== undefined) return json(told);
    if (this.#guest === undefined) await this.#configure(action, body);
    else return this.#control(this.#guest, action, body);
    return done;
  }

  #tell(action: Action): unknown {
    const { id, version } = this.#instance;
    switch (action) {
      case "describe":
        return { id, state: this.#state, vmm_version: version, app_name: "Firecracker" };
      case "version":
        return { firecracker_version: version };
      case "vmConfig":
        return this.#vm.config;
      case "getMachineConfig":
        return this.#vm.machine;
      case "getBalloon":
        return this.#balloonConfig();
      default:
        return undefined;
    }
  }

  #balloonConfig(): Body {
    if (this.#vm.balloon !== undefined) return this.#vm.balloon;
    const where =
      this.#guest === undefined
        ? "Balloon config error: No balloon device found."
        : `Internal VMM error: ${noDevice}`;
    throw new Refusal(where);
  }

  async #configure(action: Action, body: Body): Promise<void> {
    switch (action) {
      case "machineConfig":
      case "machineConfigUpdate":
        return this.#vm.setMachine(body);
      case "bootSource":
        return this.#vm.setBootSource(body);
      case "drive":
        return this.#vm.setDrive(body);
      case "network":
        return this.#vm.setNetwork(body);
      case "vsock":
        return this.#vm.setVsock(body);
      case "balloon":
        return this.#vm.setBalloon(body);
      case "entropy":
        this.#vm.entropy = body;
        return;
      case "serial":
        this.#vm.serialPath =
          typeof body["serial_out_path"] === "string" ? body["serial_out_path"] : undefined;
        return;
      case "logger":
        return this.#setLogger(body);
      case "metrics":
        return this.#setMetrics(String(body["metrics_path"]));
      case "snapshotLoad":
        return this.#loadSnapshot();
      default:
        return this.#act(body);
    }
  }

  #setLogger(body: Body): void {
    const path = typeof body["log_path"] === "string" ? this.#instance.jail.resolve(body["log_path"]) : null;
    const level = typeof body["level"] === "string" ? body["level"] : null;
    const showLevel = typeof body["show_level"] === "boolean" ? body["show_level"] : null;
    try {
      this.#instance.log.update(path, level, showLevel);
    } catch (error) {
      throw new Refusal(`Logger error: Failed to open target file: ${systemErrorWords(codeOf(error))}`);
    }
  }

  #setMetrics(path: string): void {
    const failed = "Metrics error: Cannot initialize the metrics system due to bad user input:";
    const real = this.#instance.jail.resolve(path);
    try {
      closeSync(openSync(real, "a"));
    } catch (error) {
      throw new Refusal(`${failed} ${systemErrorWords(codeOf(error))}`);
    }
    if (this.metrics.path !== undefined)
      throw new Refusal(`${failed} Reinitialization of metrics not allowed.`);
    this.metrics.path = real;
  }

  #loadSnapshot(): never {
    if (this.#bootPath) {
      throw new Refusal(
        "Load snapshot error: Loading a microVM snapshot not allowed after configuring boot-specific resources.",
      );
    }
    // A load that fails ends the process.
    setImmediate(() => this.#instance.exit(1));
    throw new Refusal(
      "Load snapshot error: Failed to restore from snapshot: the double cannot load snapshots",
    );
  }

  async #act(body: Body): Promise<void> {
    if (body["action_type"] !== "InstanceStart") throw new Refusal(beforeStart);
    const { bootSource, serialPath, jail } = this.#vm;
    if (bootSource === undefined) {
      throw new Refusal("Start microvm error: Cannot start microvm without kernel configuration.");
    }
    const kernel = readFileSync(jail.resolve(String(bootSource["kernel_image_path"])));
    const fault = kernelFault(kernel, Number(this.#vm.machine["mem_size_mib"]) * 1024 ** 2);
    if (fault !== undefined) throw new Refusal(`Start microvm error: ${fault}`);
    if (serialPath !== undefined) closeSync(openSync(jail.resolve(serialPath), "a"));
    this.#guest = await Guest.start(this.#vm, this.#instance.exit);
    this.#state = "Running";
    await this.#writeMetrics(this.#guest);
  }

  async #control(guest: Guest, action: Action, body: Body): Promise<Answer> {
    switch (action) {
      case "vm":
        await (body["state"] === "Paused" ? guest.pause() : guest.resume());
        this.#state = body["state"] === "Paused" ? "Paused" : "Running";
        return done;
      case "driveUpdate":
        return this.#updateDrive(guest, body);
      case "networkUpdate":
        return this.#updateNetwork(body);
      case "balloonUpdate":
        return this.#updateBalloon(guest, Number(body["amount_mib"]));
      case "balloonStatistics":
        return this.#updatePolling(guest, Number(body["stats_polling_interval_s"]));
      case "getBalloonStatistics":
        return json(await this.#balloonStatistics(guest));
      case "snapshotCreate":
        return this.#createSnapshot();
      default:
        return this.#actLater(guest, body["action_type"]);
    }
  }

  async #actLater(guest: Guest, action: unknown): Promise<Answer> {
    if (action === "InstanceStart") throw new Refusal(afterStart);
    if (action === "SendCtrlAltDel") await guest.sendCtrlAltDel();
    else await this.#writeMetrics(guest);
    return done;
  }

  #createSnapshot(): never {
    throw new Refusal(
      this.#state === "Running"
        ? "Create snapshot error: Cannot save the microVM state: Operation not allowed: save/restore unavailable while running"
        : "Create snapshot error: the double cannot make snapshots",
    );
  }

  async #updateDrive(guest: Guest, body: Body): Promise<Answer> {
    const failed = (why: string): Refusal =>
      new Refusal(
        `Drive config error: Unable to patch the block device: ${why} Please verify the request arguments.`,
      );
    const index = this.#vm.drives.findIndex((drive) => drive["drive_id"] === body["drive_id"]);
    const drive = this.#vm.drives[index];
    if (drive === undefined) throw failed(noDevice);
    const path = body["path_on_host"];
    if (path === null && body["rate_limiter"] === null) {
      throw failed("Block: Running method expected different backend.");
    }
    if (path !== null) {
      this.#vm.checkDrive(drive, path, (why) => failed(`Block: Virtio backend error: ${why}`).message);
      if (path !== drive["path_on_host"]) throw new Refusal("the double cannot give a drive another file");
      await guest.resizeDrive(index);
    }
    return done;
  }

  #updateNetwork(body: Body): Answer {
    if (this.#vm.networks.some(({ config }) => config["iface_id"] === body["iface_id"])) return done;
    throw new Refusal(`Network config error: Unable to update the net device: ${noDevice}`);
  }

  async #updateBalloon(guest: Guest, amountMib: number): Promise<Answer> {
    if (this.#vm.balloon === undefined) throw new Refusal(`Balloon update error: ${noDevice}`);
    if (amountMib > Number(this.#vm.machine["mem_size_mib"])) {
      const limit = this.#vm.machine["mem_size_mib"];
      throw new Refusal(`Balloon update error: Balloon: Requested memory should be less than ${limit}MiB`);
    }
    await guest.setBalloon(amountMib);
    this.#vm.balloon = { ...this.#vm.balloon, amount_mib: amountMib };
    return done;
  }

  async #updatePolling(guest: Guest, seconds: number): Promise<Answer> {
    if (this.#vm.balloon === undefined) throw new Refusal(`Balloon update error: ${noDevice}`);
    const before = Number(this.#vm.balloon["stats_polling_interval_s"]);
    if ((before === 0) !== (seconds === 0)) {
      throw new Refusal(
        "Balloon update error: Balloon: Statistics cannot be enabled/disabled after activation.",
      );
    }
    await guest.pollBalloon(seconds);
    this.#vm.balloon = { ...this.#vm.balloon, stats_polling_interval_s: seconds };
    return done;
  }

  async #balloonStatistics(guest: Guest): Promise<Body> {
    const { balloon } = this.#vm;
    if (balloon === undefined) throw new Refusal(`Internal VMM error: ${noDevice}`);
    if (balloon["stats_polling_interval_s"] === 0) {
      throw new Refusal("Internal VMM error: Balloon: Received stats query when stats are disabled.");
    }
    const { actualMib, stats } = await guest.balloon();
    const target = Number(balloon["amount_mib"]);
    const told = Object.entries(guestStatistics).flatMap(([name, from]) => {
      const value = Number(stats[from]);
      return value >= 0 && value < 2 ** 63 ? [[name, value]] : []; // the guest has not said
    });
    return {
      target_pages: target * 256,
      actual_pages: actualMib * 256,
      target_mib: target,
      actual_mib: actualMib,
      ...Object.fromEntries(told),
    };
  }

  async #writeMetrics(guest: Guest): Promise<void> {
    const statistics = await guest.blockStatistics();
    const drives = this.#vm.drives.map((drive, index): DeviceCounters => {
      const found = statistics[index] ?? {};
      const counters = Object.entries(blockCounters).map(([name, from]) => [name, Number(found[from] ?? 0)]);
      return { name: `block_${drive["drive_id"]}`, kind: "block", counters: Object.fromEntries(counters) };
    });
    const networks = this.#vm.networks.map(
      ({ config }): DeviceCounters => ({ name: `net_${config["iface_id"]}`, kind: "net", counters: {} }),
    );
    this.metrics.write([...drives, ...networks]);
  }
}

const noDevice = "Failed perform action on device: Device not found";

/** Firecracker's names, and QEMU's. */
const blockCounters = {
  read_bytes: "rd_bytes",
  write_bytes: "wr_bytes",
  read_count: "rd_operations",
  write_count: "wr_operations",
  flush_count: "flush_operations",
} as const;
const guestStatistics = {
  swap_in: "stat-swap-in",
  swap_out: "stat-swap-out",
  major_faults: "stat-major-faults",
  minor_faults: "stat-minor-faults",
  free_memory: "stat-free-memory",
  total_memory: "stat-total-memory",
  available_memory: "stat-available-memory",
  disk_caches: "stat-disk-caches",
  hugetlb_allocations: "stat-htlb-pgalloc",
  hugetlb_failures: "stat-htlb-pgfail",
} as const;
