import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { storageChoices } from "#platform";
import { EmberError } from "../errors/ember-error.ts";
import { makeKeyPair } from "../guest/keys.ts";
import { writeFileAtomic } from "../host/files.ts";
import { defaultCpuWeight, type Installation } from "../installation.ts";
import { recordEvent } from "../state/events.ts";
import type { Operation, OperationData } from "../state/journal.ts";
import { readSetting, removeSetting, type SettingName, writeSetting } from "../state/settings.ts";
import type { StorageWish } from "../storage/choice.ts";
import { parseStorageConfig } from "../storage/config.ts";
import type { StorageConfig } from "../storage/storage.ts";
import type { InitOptions, TaskOptions } from "../types.ts";
import { clientKeyPath } from "../vm/agent.ts";
import { chooseDrivers, chooseSubnet, unknownDriver } from "./choose-drivers.ts";

/** Everything that `init` decides before it changes anything. */
interface Plan {
  readonly installationId: string;
  readonly hypervisor: string;
  /** By ember, which may choose again when guests do not run on it. */
  readonly hypervisorChosen: boolean;
  readonly network: string;
  readonly accelerator: string;
  readonly subnet: string;
  readonly outsideInterface: string | undefined;
  readonly cpuWeight: number;
  readonly jailer: boolean;
  /** A key of `storageChoices`. */
  readonly storage: string;
  readonly storageFolder: string;
  readonly wish: StorageWish;
}

/** Throws `already-initialized` before anything is touched. Post-condition: VMs can be made here; those
 *  of an installation that `deinit` took down without purging are there again. */
export async function initialize(
  installation: Installation,
  options: InitOptions & TaskOptions = {},
): Promise<void> {
  await installation.holding(["installation"], "ember init", async () => {
    if (installation.initialized) {
      throw new EmberError(
        "already-initialized",
        `'${installation.paths.stateDir}' has been initialised already`,
        {
          hint: "'ember info' shows how; choose another folder with --state-dir, or remove this with 'ember deinit'",
        },
      );
    }
    const plan = await planFor(installation, options);
    const operation = initOperation(plan);
    const folder = plan.storageFolder;
    const data = {
      folder,
      fresh: existsSync(`${folder}.xfs`) || existsSync(folder) ? "no" : "yes",
      anew: readSetting(installation.db, "storage") === undefined ? "yes" : "no",
    };
    await installation.journal.execute(operation, ["installation"], installation, data, options.signal);
  });
}

async function planFor(installation: Installation, options: InitOptions): Promise<Plan> {
  const { notice } = installation;
  const installationId = randomBytes(4).toString("hex");
  const jailer = options.jailer ?? true;
  const outsideInterface = checkInterfaceName(options.outsideInterface);
  const accelerator = options.accelerator ?? "auto";
  const keptSubnet = readSetting(installation.db, "subnet");
  const storage = options.storage ?? "auto";
  if (!Object.hasOwn(storageChoices, storage)) {
    throw unknownDriver("storage", storage, Object.keys(storageChoices).slice(1));
  }
  const kept = readSetting(installation.db, "storage");
  const keptStorage = kept === undefined ? undefined : parseStorageConfig(kept);
  const { hypervisor, network } = await chooseDrivers(
    {
      hypervisor: options.hypervisor ?? "auto",
      network: options.network ?? "auto",
      accelerator,
      storage: keptStorage?.driver ?? storage,
    },
    {
      hypervisor: { installationId, jailer, notice },
      network: {
        installationId,
        subnet: options.subnet ?? keptSubnet ?? "",
        outsideInterface,
        ...installation.networkPlaces,
      },
    },
  );
  const usualFolder = keptStorage?.folder ?? join(installation.paths.stateDir, "storage");
  const storageFolder = resolve(options.storagePath ?? usualFolder);
  return {
    installationId,
    hypervisor: hypervisor.name,
    hypervisorChosen: (options.hypervisor ?? "auto") === "auto",
    network: network.name,
    accelerator,
    subnet: await chooseSubnet(network, options.subnet, keptSubnet),
    outsideInterface,
    cpuWeight: checkCpuWeight(options.cpuWeight ?? defaultCpuWeight),
    jailer,
    storage,
    storageFolder,
    wish: { ...storageWishes(options), stateDir: installation.paths.stateDir, storagePath: storageFolder },
  };
}

/** Throws `usage` for what Linux does not take as the name of an interface; whether it exists may change at any time. */
function checkInterfaceName(name: string | undefined): string | undefined {
  if (name === undefined || /^[A-Za-z0-9_.@-]{1,15}$/.test(name)) return name;
  throw new EmberError("usage", `${JSON.stringify(name)} is not the name of a network interface`, {
    hint: "see 'ip link' for what there is",
  });
}

function checkCpuWeight(weight: number): number {
  if (Number.isInteger(weight) && weight >= 1 && weight <= 10_000) return weight;
  throw new EmberError("usage", `${weight} is not a CPU weight`, { hint: "weights are 1 to 10000" });
}

function storageWishes(options: InitOptions): Omit<StorageWish, "stateDir" | "storagePath"> {
  const { sizeBytes, device, fileSystem, pool, dataset, vdo } = options;
  return {
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    ...(device === undefined ? {} : { device: resolve(device) }),
    ...(fileSystem === undefined ? {} : { fileSystem }),
    ...(pool === undefined ? {} : { pool }),
    ...(dataset === undefined ? {} : { dataset }),
    ...(vdo === undefined ? {} : { vdo }),
  };
}

const settingNames: readonly SettingName[] = [
  "installation-id",
  "hypervisor",
  "hypervisor-choice",
  "accelerator",
  "storage",
  "network",
  "subnet",
  "outside-interface",
  "cpu-weight",
  "jailer",
];

/** Undone as a whole. Without a plan it can only be undone, by another process. */
export function initOperation(plan?: Plan): Operation<Installation> {
  return {
    kind: "init",
    recovery: "undo",
    steps: [
      {
        name: "choose",
        run: async (installation) => {
          if (plan === undefined)
            throw new EmberError("internal", "only the command that plans an installation can make it");
          return chooseStorage(installation, plan);
        },
        undo: undoStorage, // finding out what works may have mounted a file system
      },
      {
        name: "storage",
        run: async (installation, data) => {
          const storage = await installation.storageDriver(parseStorageConfig(data["storage"] ?? ""));
          await storage.init();
          return undefined;
        },
        undo: undoStorage,
      },
      {
        name: "keys",
        run: async (installation) => {
          const path = clientKeyPath(installation);
          if (existsSync(`${path}.pub`)) return undefined; // of the installation that is taken up again
          mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
          const keys = makeKeyPair("ember");
          writeFileAtomic(path, keys.privateKey);
          writeFileAtomic(`${path}.pub`, `${keys.publicKey}\n`);
          return undefined;
        },
        undo: async (installation, data) => {
          if (data["anew"] === "yes")
            rmSync(dirname(clientKeyPath(installation)), { recursive: true, force: true });
        },
      },
      {
        name: "settings",
        run: async (installation, data) => {
          if (plan !== undefined) writeSettings(installation, plan, data);
          return undefined;
        },
        undo: async (installation, data) => {
          const undone = data["anew"] === "yes" ? settingNames : (["installation-id"] as const);
          for (const name of undone) removeSetting(installation.db, name);
        },
      },
    ],
  };
}

/** The storage of an installation that `deinit` took down and that is taken up again now. Throws `wrong-state`. */
function storageTakenUp(installation: Installation, plan: Plan): StorageConfig | undefined {
  const stored = readSetting(installation.db, "storage");
  if (stored === undefined) return undefined;
  const config = parseStorageConfig(stored);
  if ((plan.storage === "auto" || plan.storage === config.driver) && plan.storageFolder === config.folder)
    return config;
  throw new EmberError(
    "wrong-state",
    `'${installation.paths.stateDir}' keeps disks on ${config.driver} storage in '${config.folder}'`,
    {
      hint: "run 'ember init' without storage options, or choose another --state-dir",
    },
  );
}

/** What the steps after it need: the storage's configuration, and whether undoing may purge it. */
async function chooseStorage(installation: Installation, plan: Plan): Promise<OperationData> {
  const kept = storageTakenUp(installation, plan);
  if (kept !== undefined) return { storage: JSON.stringify(kept), fresh: "no" };
  const choice = await storageChoices[plan.storage]?.(plan.wish);
  if (choice === undefined) throw new EmberError("internal", `no storage is called '${plan.storage}'`);
  installation.notice(choice.reason);
  return { storage: JSON.stringify(choice.config), fresh: choice.fresh ? "yes" : "no" };
}

function writeSettings(installation: Installation, plan: Plan, data: OperationData): void {
  const { db } = installation;
  db.transaction(() => {
    writeSetting(db, "hypervisor", plan.hypervisor);
    writeSetting(db, "hypervisor-choice", plan.hypervisorChosen ? "ember" : "user");
    writeSetting(db, "accelerator", plan.accelerator);
    writeSetting(db, "network", plan.network);
    writeSetting(db, "subnet", plan.subnet);
    if (plan.outsideInterface === undefined) removeSetting(db, "outside-interface");
    else writeSetting(db, "outside-interface", plan.outsideInterface);
    writeSetting(db, "cpu-weight", String(plan.cpuWeight));
    writeSetting(db, "jailer", plan.jailer ? "yes" : "no");
    writeSetting(db, "storage", data["storage"] ?? "");
    // Last: that it is there means that everything is.
    writeSetting(db, "installation-id", plan.installationId);
    recordEvent(db, "initialized", installation.paths.stateDir, { hypervisor: plan.hypervisor });
  });
}

/** What was there before `init` is never purged. */
async function undoStorage(installation: Installation, data: OperationData): Promise<void> {
  const folder = data["folder"] ?? "";
  const fresh = data["fresh"] === "yes";
  const stored = data["storage"];
  const config =
    stored === undefined
      ? { driver: "reflink", folder, backingFile: `${folder}.xfs`, backingBytes: 0 }
      : parseStorageConfig(stored);
  const storage = await installation.storageDriver(config);
  await storage.deinit(fresh);
}
