import { type Answer, done, json, Refusal } from "./answers.ts";
import type { Body } from "./body-types.ts";
import type { Guest } from "./guest.ts";
import type { DeviceCounters, Metrics } from "./metrics.ts";
import type { Action } from "./requests.ts";
import type { Resources } from "./resources.ts";

export const afterStart = "The requested operation is not supported after starting the microVM.";

/** A VM whose guest has started: what can be done to it from then on. */
export class RunningVm {
  state: "Running" | "Paused" = "Running";
  readonly #guest: Guest;
  readonly #vm: Resources;
  readonly #metrics: Metrics;

  constructor(guest: Guest, vm: Resources, metrics: Metrics) {
    this.#guest = guest;
    this.#vm = vm;
    this.#metrics = metrics;
  }

  /** Throws `Refusal` with Firecracker's message. */
  async perform(action: Action, body: Body): Promise<Answer> {
    switch (action) {
      case "vm":
        return this.#setState(body["state"] === "Paused" ? "Paused" : "Running");
      case "driveUpdate":
        return this.#updateDrive(body);
      case "networkUpdate":
        return this.#updateNetwork(body);
      case "balloonUpdate":
        return this.#updateBalloon(Number(body["amount_mib"]));
      case "balloonStatistics":
        return this.#updatePolling(Number(body["stats_polling_interval_s"]));
      case "getBalloonStatistics":
        return json(await this.#balloonStatistics());
      case "snapshotCreate":
        return this.#createSnapshot();
      default:
        return this.#actLater(body["action_type"]);
    }
  }

  async #setState(state: "Running" | "Paused"): Promise<Answer> {
    await (state === "Paused" ? this.#guest.pause() : this.#guest.resume());
    this.state = state;
    return done;
  }

  async #actLater(action: unknown): Promise<Answer> {
    if (action === "InstanceStart") throw new Refusal(afterStart);
    if (action === "SendCtrlAltDel") await this.#guest.sendCtrlAltDel();
    else await this.writeMetrics();
    return done;
  }

  #createSnapshot(): never {
    throw new Refusal(
      this.state === "Running"
        ? "Create snapshot error: Cannot save the microVM state: Operation not allowed: save/restore unavailable while running"
        : "Create snapshot error: the double cannot make snapshots",
    );
  }

  async #updateDrive(body: Body): Promise<Answer> {
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
      await this.#guest.resizeDrive(index);
    }
    return done;
  }

  #updateNetwork(body: Body): Answer {
    if (this.#vm.networks.some(({ config }) => config["iface_id"] === body["iface_id"])) return done;
    throw new Refusal(`Network config error: Unable to update the net device: ${noDevice}`);
  }

  async #updateBalloon(amountMib: number): Promise<Answer> {
    if (this.#vm.balloon === undefined) throw new Refusal(`Balloon update error: ${noDevice}`);
    if (amountMib > Number(this.#vm.machine["mem_size_mib"])) {
      const limit = this.#vm.machine["mem_size_mib"];
      throw new Refusal(`Balloon update error: Balloon: Requested memory should be less than ${limit}MiB`);
    }
    await this.#guest.setBalloon(amountMib);
    this.#vm.balloon = { ...this.#vm.balloon, amount_mib: amountMib };
    return done;
  }

  async #updatePolling(seconds: number): Promise<Answer> {
    if (this.#vm.balloon === undefined) throw new Refusal(`Balloon update error: ${noDevice}`);
    const before = Number(this.#vm.balloon["stats_polling_interval_s"]);
    if ((before === 0) !== (seconds === 0)) {
      throw new Refusal(
        "Balloon update error: Balloon: Statistics cannot be enabled/disabled after activation.",
      );
    }
    await this.#guest.pollBalloon(seconds);
    this.#vm.balloon = { ...this.#vm.balloon, stats_polling_interval_s: seconds };
    return done;
  }

  async #balloonStatistics(): Promise<Body> {
    const { balloon } = this.#vm;
    if (balloon === undefined) throw new Refusal(`Internal VMM error: ${noDevice}`);
    if (balloon["stats_polling_interval_s"] === 0) {
      throw new Refusal("Internal VMM error: Balloon: Received stats query when stats are disabled.");
    }
    const { actualMib, stats } = await this.#guest.balloon();
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

  /** Writes a line of metrics, if a file for them was named. */
  async writeMetrics(): Promise<void> {
    const statistics = await this.#guest.blockStatistics();
    const drives = this.#vm.drives.map((drive, index): DeviceCounters => {
      const found = statistics[index] ?? {};
      const counters = Object.entries(blockCounters).map(([name, from]) => [name, Number(found[from] ?? 0)]);
      return { name: `block_${drive["drive_id"]}`, kind: "block", counters: Object.fromEntries(counters) };
    });
    const networks = this.#vm.networks.map(
      ({ config }): DeviceCounters => ({ name: `net_${config["iface_id"]}`, kind: "net", counters: {} }),
    );
    this.#metrics.write([...drives, ...networks]);
  }
}

export const noDevice = "Failed perform action on device: Device not found";

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
