import { dirname, join, resolve } from "node:path";
import {
  defaultStateDir,
  findContainment,
  hypervisorDrivers,
  networkDrivers,
  runtimeBase,
  storageDrivers,
} from "#platform";
import { EmberError } from "./errors/ember-error.ts";
import type { Containment } from "./host/cgroup/containment.ts";
import { ensurePrivateFolder } from "./host/files.ts";
import { randomHex, shortHash } from "./host/random.ts";
import { setToolEnvironment } from "./host/tools.ts";
import type { Accelerator, Hypervisor, HypervisorContext } from "./hypervisor/hypervisor.ts";
import type { Network, NetworkContext } from "./network/network.ts";
import type { Environment } from "./platform/platform.ts";
import { Database } from "./state/database.ts";
import { diskNumbers } from "./state/disk-numbers.ts";
import { Journal, type Operation, type Recovered, type StepObserver } from "./state/journal.ts";
import { acquireLease, type LeaseOptions } from "./state/leases.ts";
import {
  readHostFact,
  readSetting,
  type SettingName,
  writeHostFact,
  writeSetting,
} from "./state/settings.ts";
import { parseStorageConfig } from "./storage/config.ts";
import type { Storage, StorageConfig } from "./storage/storage.ts";

/** A control group's cpu.weight is 100 unless somebody says otherwise (cgroup-v2.rst): a busy fleet yields to the host. */
export const defaultCpuWeight = 50;

export interface InstallationOptions {
  /** Default: EMBER_STATE_DIR of the environment, else the platform's usual place. */
  readonly stateDir?: string;
  /** Default: empty; the CLI hands in the process's own. */
  readonly environment?: Environment;
  /** Receives a line for what ember does behind the scenes. */
  readonly verbose?: (line: string) => void;
  /** Receives what a user should be told once, such as that this host emulates. */
  readonly notice?: (line: string) => void;
  /** Called around every journalled step; for tests. */
  readonly onStep?: StepObserver;
}

/** Where everything of one state folder lies. Bulk data and logs only: what is true is in the database. */
export interface Paths {
  readonly stateDir: string;
  /** Short and private: for sockets. */
  readonly runtimeDir: string;
  /** Verified downloads; EMBER_CACHE_DIR lets several installations share one. */
  readonly cacheDir: string;
  readonly kernelsDir: string;
  vmFolder(vmId: string): string;
}

/**
 * One state folder, opened: its database, its journal and its drivers, each loaded when first used. Everything in
 * src/vm, src/image and src/kernel takes one.
 */
export class Installation implements Disposable {
  readonly db: Database;
  readonly paths: Paths;
  readonly journal: Journal<Installation>;
  readonly verbose: (line: string) => void;
  readonly notice: (line: string) => void;
  readonly environment: Environment;
  readonly #beforeChange: (installation: Installation) => Promise<void>;
  #hypervisor: Promise<Hypervisor> | undefined;
  #storage: Promise<Storage> | undefined;
  #network: Promise<Network> | undefined;
  #containment: Promise<Containment | undefined> | undefined;

  /** `beforeChange` puts right, before a command changes anything, what ended meanwhile without being asked. It never throws. */
  constructor(
    loadOperations: () => Promise<readonly Operation<Installation>[]>,
    options: InstallationOptions,
    beforeChange: (installation: Installation) => Promise<void> = async () => undefined,
  ) {
    this.#beforeChange = beforeChange;
    const environment = options.environment ?? {};
    this.environment = environment;
    setToolEnvironment(environment);
    const stateDir = resolve(
      options.stateDir ?? environment["EMBER_STATE_DIR"] ?? defaultStateDir(environment),
    );
    this.verbose = options.verbose ?? ((): void => undefined);
    this.notice = options.notice ?? ((): void => undefined);
    this.paths = pathsOf(stateDir, runtimeBase(environment), environment["EMBER_CACHE_DIR"]);
    this.db = Database.open(stateDir);
    this.journal = new Journal(this.db, loadOperations, options.onStep);
  }

  /** The value of a setting that `init` writes. Throws `not-initialized`. */
  setting(name: SettingName): string {
    const value = readSetting(this.db, name);
    if (value === undefined) {
      throw new EmberError("not-initialized", `'${this.paths.stateDir}' has not been initialised`, {
        hint: "run 'ember init' (it picks what this host can do)",
      });
    }
    return value;
  }

  get initialized(): boolean {
    return readSetting(this.db, "installation-id") !== undefined;
  }

  get storageConfig(): StorageConfig {
    return parseStorageConfig(this.setting("storage"));
  }

  hypervisor(): Promise<Hypervisor> {
    this.#hypervisor ??= load(
      hypervisorDrivers,
      this.setting("hypervisor"),
      "hypervisor",
    )(this.#hypervisorContext());
    return this.#hypervisor;
  }

  /**
   * Where `init` chose a hypervisor that turns out not to run guests this way, another that does takes its place.
   * Throws `host-unsupported` when the user asked for just that hypervisor, or there is no other.
   */
  async replaceHypervisor(accelerator: Accelerator, reason: string): Promise<void> {
    const current = await this.hypervisor();
    if (current.capabilities().accelerators.includes(accelerator)) return;
    const chosen = readSetting(this.db, "hypervisor-choice") !== "user";
    for (const [name, create] of Object.entries(hypervisorDrivers)) {
      const other = chosen ? await create(this.#hypervisorContext()) : current;
      if (!other.capabilities().accelerators.includes(accelerator) || !(await other.probe()).usable) continue;
      writeSetting(this.db, "hypervisor", name);
      this.#hypervisor = Promise.resolve(other);
      this.notice(`VMs run by ${name}, since ${current.name} cannot run them here: ${reason}`);
      return;
    }
    throw new EmberError("host-unsupported", `${current.name} cannot run guests on this host: ${reason}`, {
      hint: "see 'ember doctor', or use QEMU: ember deinit, then ember init --hypervisor qemu",
    });
  }

  network(): Promise<Network> {
    this.#network ??= load(networkDrivers, this.setting("network"), "network")(this.#networkContext());
    return this.#network;
  }

  /** What every network driver is told, whatever it is asked for. */
  get networkPlaces(): Pick<
    NetworkContext,
    | "stateFolder"
    | "runtimeFolder"
    | "vmFolder"
    | "environment"
    | "hostResolverPort"
    | "exclusively"
    | "notice"
  > {
    const { stateDir, runtimeDir, vmFolder } = this.paths;
    const { environment, notice } = this;
    const hostResolverPort = (): number => Number(readSetting(this.db, "host-resolver-port") ?? 0);
    const exclusively: NetworkContext["exclusively"] = async (purpose, body) => {
      using _lease = await acquireLease(this.db, ["network"], purpose);
      return await body();
    };
    const places = { stateFolder: stateDir, runtimeFolder: runtimeDir, vmFolder };
    return { ...places, environment, hostResolverPort, exclusively, notice };
  }

  /** What bounds the VMs' share of the host; undefined where the platform has nothing for that. */
  containment(): Promise<Containment | undefined> {
    const weight = Number(readSetting(this.db, "cpu-weight") ?? defaultCpuWeight);
    this.#containment ??= findContainment(this.setting("installation-id"), weight, (line) => {
      if (readHostFact(this.db, "containment-told") === line) return; // once after each boot of the host
      writeHostFact(this.db, "containment-told", line);
      this.notice(line);
    });
    return this.#containment;
  }

  /** The storage driver as it is: for what needs no disk to be there. */
  storageDriver(config: StorageConfig = this.storageConfig): Promise<Storage> {
    const context = { numbers: diskNumbers(this.db), notice: this.notice };
    return load(storageDrivers, config.driver, "storage")(config, context);
  }

  /** The storage, ready for use (mounted again after a reboot). */
  storage(): Promise<Storage> {
    this.#storage ??= this.#openStorage();
    this.#storage.catch(() => {
      this.#storage = undefined; // a later call may find the cause removed
    });
    return this.#storage;
  }

  /**
   * Runs `body` while this process alone may change the named things ("vm:web", "image:nginx", ...). What a killed
   * command left of them is finished or undone first. Throws `busy`, naming the holder.
   */
  async holding<T>(
    names: readonly string[],
    purpose: string,
    body: () => Promise<T>,
    options: LeaseOptions = {},
  ): Promise<T> {
    await this.recoverAbandoned();
    await this.#beforeChange(this);
    using _lease = await acquireLease(this.db, names, purpose, options);
    await this.journal.recover(names, this);
    return await body();
  }

  /**
   * Brings to an end whatever commands that are gone left unfinished; things another command holds are left to it.
   * A failure here concerns other things than the command at hand, so it is told and does not stop it.
   */
  async recoverAbandoned(): Promise<readonly Recovered[]> {
    const done: Recovered[] = [];
    if (!this.journal.hasWork()) return done;
    for (const subjects of this.journal.abandonedSubjects()) {
      try {
        using _lease = await acquireLease(this.db, subjects, "ember reconcile", { timeoutMs: 0 });
        done.push(...(await this.journal.recover(subjects, this)));
      } catch (error) {
        this.verbose(
          `recovery of ${subjects.join(", ")} put off: ${error instanceof Error ? error.message : error}`,
        );
      }
    }
    return done;
  }

  [Symbol.dispose](): void {
    this.db[Symbol.dispose]();
  }

  #hypervisorContext(): HypervisorContext {
    return {
      installationId: this.setting("installation-id"),
      jailer: readSetting(this.db, "jailer") !== "no",
      notice: this.notice,
    };
  }

  #networkContext(): NetworkContext {
    return {
      installationId: this.setting("installation-id"),
      subnet: this.setting("subnet"),
      outsideInterface: readSetting(this.db, "outside-interface"),
      ...this.networkPlaces,
    };
  }

  async #openStorage(): Promise<Storage> {
    const storage = await this.storageDriver();
    await storage.open();
    return storage;
  }
}

function pathsOf(stateDir: string, runtimeParent: string, cacheDir: string | undefined): Paths {
  // The folder's own path decides the name, so that two installations never share sockets.
  const runtimeDir = join(runtimeParent, shortHash(stateDir));
  return {
    stateDir,
    runtimeDir,
    cacheDir: cacheDir === undefined ? join(stateDir, "cache") : resolve(cacheDir),
    kernelsDir: join(stateDir, "kernels"),
    vmFolder: (vmId: string): string => join(stateDir, "vms", vmId),
  };
}

function load<T>(drivers: Readonly<Record<string, T>>, name: string, what: string): T {
  const driver = drivers[name];
  if (driver === undefined) {
    throw new EmberError("host-unsupported", `there is no ${what} driver '${name}' on this platform`, {
      hint: `choose one of: ${Object.keys(drivers).join(", ")}`,
    });
  }
  return driver;
}

/** Makes the folder for sockets, and every folder above it that is missing, private to the owner. */
export function ensureRuntimeFolder(installation: Installation): string {
  // The parent too: whoever owns it could put another folder in place of ours.
  ensurePrivateFolder(dirname(installation.paths.runtimeDir));
  ensurePrivateFolder(installation.paths.runtimeDir);
  return installation.paths.runtimeDir;
}

/** A new id: 12 hex digits, safe in paths, interface names and process lists. */
export function newId(): string {
  return randomHex(6);
}
