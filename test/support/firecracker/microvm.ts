import { closeSync, openSync, readFileSync } from "node:fs";
import { type Answer, codeOf, done, json, Refusal, systemErrorWords } from "./answers.ts";
import type { Body } from "./body-types.ts";
import { Guest } from "./guest.ts";
import type { Jail } from "./jail.ts";
import { kernelFault } from "./kernel-file.ts";
import type { Log } from "./log.ts";
import { Metrics } from "./metrics.ts";
import type { Action, Call } from "./requests.ts";
import { Resources } from "./resources.ts";
import { afterStart, noDevice, RunningVm } from "./running-vm.ts";

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
  #running: RunningVm | undefined;
  #bootPath = false;

  constructor(instance: Instance) {
    this.#instance = instance;
    this.#vm = new Resources(instance.jail);
  }

  /** Throws `Refusal` with Firecracker's message. */
  async perform({ action, body }: Call): Promise<Answer> {
    if (this.#running === undefined && onlyAfter.has(action)) throw new Refusal(beforeStart);
    if (this.#running !== undefined && onlyBefore.has(action)) throw new Refusal(afterStart);
    if (bootPath.has(action)) this.#bootPath = true;
    const told = this.#tell(action);
    if (told !== undefined) return json(told);
    if (this.#running !== undefined) return this.#running.perform(action, body);
    await this.#configure(action, body);
    return done;
  }

  #tell(action: Action): unknown {
    const { id, version } = this.#instance;
    switch (action) {
      case "describe":
        return {
          id,
          state: this.#running?.state ?? "Not started",
          vmm_version: version,
          app_name: "Firecracker",
        };
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
      this.#running === undefined
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
    const guest = await Guest.start(this.#vm, this.#instance.exit);
    this.#running = new RunningVm(guest, this.#vm, this.metrics);
    await this.#running.writeMetrics();
  }
}
