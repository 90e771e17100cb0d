import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { driveSize } from "./drive-file.ts";
import { findProgram, spawnBound } from "./programs.ts";
import { driveNode, qemuCommand } from "./qemu-arguments.ts";
import { Qmp, type QmpEvent, record } from "./qmp.ts";
import type { Resources } from "./resources.ts";

const mib = 1024 ** 2;

type Values = Readonly<Record<string, unknown>>;

interface BalloonState {
  /** How much the balloon holds. */
  readonly actualMib: number;
  /** What the guest tells of its memory, if it does. */
  readonly stats: Values;
}

interface Paused {
  readonly balloon: BalloonState | undefined;
  readonly blocks: Values[];
  readonly later: (readonly [command: string, values: Values])[];
}

/** The running guest. */
export class Guest {
  readonly #child: ChildProcess;
  readonly #qmp: Qmp;
  readonly #vm: Resources;
  #paused: Paused | undefined;

  private constructor(child: ChildProcess, qmp: Qmp, vm: Resources) {
    this.#child = child;
    this.#qmp = qmp;
    this.#vm = vm;
  }

  /** `ended` is told the exit status that Firecracker would have. */
  static async start(vm: Resources, ended: (status: number) => void): Promise<Guest> {
    const monitor = `fc-double-${randomUUID()}`;
    const { args, files } = qemuCommand(vm, monitor);
    const program = findProgram("qemu-system-x86_64");
    if (program === undefined) throw new Error("the double needs qemu-system-x86_64");
    const child = spawnBound(program, args, { stdio: ["inherit", "inherit", "inherit", ...files] });
    child.on("exit", () => ended(1));
    const running = (): boolean => child.exitCode === null && child.signalCode === null;
    const qmp: Qmp = await Qmp.connect(monitor, running, (event) => {
      // A guest that has powered off stays, as one does on x86-64 without a power switch: it is halted.
      if (isReset(event)) {
        child.removeAllListeners("exit");
        child.on("exit", () => ended(0));
        void qmp.execute("quit").catch(() => undefined); // it may be gone before it answers
      }
    });
    const guest = new Guest(child, qmp, vm);
    if (vm.balloon !== undefined) await guest.setBalloon(Number(vm.balloon["amount_mib"]));
    void guest.#openVsock().catch(() => undefined); // QEMU has ended, and with it the guest
    return guest;
  }

  /** Lets clients to the vsock as soon as the guest has a driver for it. */
  async #openVsock(): Promise<void> {
    if (this.#vm.vsock === undefined) return;
    const path = "/machine/peripheral/vsock0/virtio-backend";
    while (record(await this.#qmp.execute("x-query-virtio-status", { path }))["vhost-started"] !== true) {
      await Bun.sleep(50);
    }
    this.#vm.vsock.device.open();
  }

  /** Ends it at once. */
  kill(): void {
    this.#child.removeAllListeners("exit");
    this.#child.kill("SIGKILL");
  }

  /**
   * Stops QEMU as a process. Its own way to stop tells the vsock device, which then dies of the next connection; this
   * way connections wait for the guest, as with Firecracker. Until `resume`, counters are those of now, and what is
   * done to the guest waits: it could not notice before anyway.
   */
  async pause(): Promise<void> {
    if (this.#paused !== undefined) return;
    const balloon = this.#vm.balloon === undefined ? undefined : await this.balloon();
    this.#paused = { balloon, blocks: await this.blockStatistics(), later: [] };
    this.#child.kill("SIGSTOP");
  }

  async resume(): Promise<void> {
    const later = this.#paused?.later ?? [];
    this.#paused = undefined;
    this.#child.kill("SIGCONT");
    for (const [command, values] of later) await this.#qmp.execute(command, values);
  }

  async #affect(command: string, values: Values): Promise<void> {
    if (this.#paused === undefined) await this.#qmp.execute(command, values);
    else this.#paused.later.push([command, values]);
  }

  async sendCtrlAltDel(): Promise<void> {
    const keys = ["ctrl", "alt", "delete"].map((data) => ({ type: "qcode", data }));
    await this.#affect("send-key", { keys });
  }

  /** The drive's file may have another size now. */
  async resizeDrive(index: number): Promise<void> {
    const path = this.#vm.jail.resolve(String(this.#vm.drives[index]?.["path_on_host"]));
    await this.#affect("block_resize", { "node-name": driveNode(index), size: driveSize(path) });
  }

  async setBalloon(amountMib: number): Promise<void> {
    const memory = Number(this.#vm.machine["mem_size_mib"]);
    await this.#affect("balloon", { value: (memory - amountMib) * mib });
  }

  async balloon(): Promise<BalloonState> {
    if (this.#paused?.balloon !== undefined) return this.#paused.balloon;
    const actual = Number(record(await this.#qmp.execute("query-balloon"))["actual"]);
    const path = "/machine/peripheral/balloon";
    const found = record(await this.#qmp.execute("qom-get", { path, property: "guest-stats" }));
    const actualMib = Number(this.#vm.machine["mem_size_mib"]) - Math.round(actual / mib);
    return { actualMib, stats: record(found["stats"]) };
  }

  async pollBalloon(seconds: number): Promise<void> {
    const path = "/machine/peripheral/balloon";
    await this.#affect("qom-set", { path, property: "guest-stats-polling-interval", value: seconds });
  }

  /** Counters of each drive, in order. */
  async blockStatistics(): Promise<Values[]> {
    if (this.#paused !== undefined) return this.#paused.blocks;
    const found = await this.#qmp.execute("query-blockstats");
    const devices = Array.isArray(found) ? found.map(record) : [];
    return this.#vm.drives.map((_, index) => {
      const device = devices.find((candidate) => candidate["node-name"] === driveNode(index));
      return record(device?.["stats"]);
    });
  }
}

function isReset({ name, data }: QmpEvent): boolean {
  return name === "SHUTDOWN" && data["reason"] === "guest-reset";
}
