import type { EmberApi, ImageApi, KernelApi, NetworkApi, SnapshotApi, StorageApi, VmApi } from "./api.ts";
import { EmberError } from "./errors/ember-error.ts";
import { Installation, type InstallationOptions } from "./installation.ts";
import type {
  DoctorCheck,
  EmberEvent,
  InitOptions,
  InstallationInfo,
  PruneOptions,
  PruneReport,
  ReconcileReport,
  TaskOptions,
} from "./types.ts";
import { createVmApi } from "./vm/vms.ts";

export interface OpenOptions extends InstallationOptions {
  /** The command that OpenSSH calls back as a proxy (`ssh-config`). Default: ["ember"]. */
  readonly program?: readonly string[];
}

/**
 * An installation of ember: one state folder, with its VMs, images and kernels. Its parts are loaded when first used.
 *
 *     await using ember = await Ember.open();
 *     await using vm = await ember.vms.create({ name: "web", image: "nginx", ephemeral: true });
 *     console.log((await vm.exec(["uname", "-a"])).stdout);
 */
export class Ember implements EmberApi {
  readonly vms: VmApi;
  readonly images: ImageApi;
  readonly kernels: KernelApi;
  readonly snapshots: SnapshotApi;
  readonly storage: StorageApi;
  readonly network: NetworkApi;
  readonly #installation: Installation;

  private constructor(installation: Installation, program: readonly string[]) {
    this.#installation = installation;
    this.vms = createVmApi(installation, program);
    this.images = imagesOf(installation, this.vms);
    this.kernels = kernelsOf(installation);
    this.snapshots = snapshotsOf(installation);
    this.storage = storageOf(installation);
    this.network = networkApiOf(installation);
  }

  /** Opens a state folder, which need not be initialised yet. Throws `database-failed`, `permission-denied`. */
  static async open(options: OpenOptions = {}): Promise<Ember> {
    const loadOperations = async () => (await import("./operations.ts")).operations;
    const keepNetwork = async (installation: Installation) =>
      (await import("./vm/revival.ts")).keepNetwork(installation);
    const installation = new Installation(loadOperations, options, keepNetwork);
    return new Ember(installation, options.program ?? ["ember"]);
  }

  async init(options: InitOptions & TaskOptions = {}): Promise<InstallationInfo> {
    const { initialize } = await import("./setup/init.ts");
    await initialize(this.#installation, options);
    if (options.kernel !== undefined) {
      const fromFile = options.kernel.includes("/");
      const kernel = fromFile
        ? await this.kernels.import(options.kernel)
        : await this.kernels.pull(options.kernel, options);
      await this.kernels.setDefault(kernel.name);
    }
    return await this.info();
  }

  async deinit(options: { readonly purge?: boolean } & TaskOptions = {}): Promise<void> {
    const { deinitialize, removeStateFolder } = await import("./setup/deinit.ts");
    await deinitialize(this.#installation, this, options);
    if (options.purge !== true) return;
    this.#installation[Symbol.dispose]();
    removeStateFolder(this.#installation.paths.stateDir);
  }

  async info(): Promise<InstallationInfo> {
    return await (await import("./setup/info.ts")).describeInstallation(this.#installation);
  }

  async doctor(): Promise<readonly DoctorCheck[]> {
    return await (await import("./setup/doctor.ts")).doctor(this.#installation);
  }

  async reconcile(): Promise<ReconcileReport> {
    return await (await import("./setup/reconcile.ts")).reconcile(this.#installation);
  }

  async prune(options: PruneOptions): Promise<PruneReport> {
    return await (await import("./setup/prune.ts")).prune(this.#installation, this, options);
  }

  async *events(
    options: { readonly since?: string; readonly follow?: boolean; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<EmberEvent> {
    yield* (await import("./setup/events.ts")).events(this.#installation, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#installation[Symbol.dispose]();
  }
}

function imagesOf(installation: Installation, vms: VmApi): ImageApi {
  const load = async (): Promise<ImageApi> => {
    const { createImageApi } = await import("./image/images.ts");
    return createImageApi(installation, {
      deleteVm: async (name) => {
        // Its source may have taken it along.
        await vms.delete(name, { force: true }).catch((error: unknown) => {
          if (!(error instanceof EmberError && error.code === "vm-not-found")) throw error;
        });
      },
    });
  };
  return {
    pull: async (...args) => (await load()).pull(...args),
    bootstrap: async (...args) => (await load()).bootstrap(...args),
    import: async (...args) => (await load()).import(...args),
    build: async (...args) => (await load()).build(...args),
    push: async (...args) => (await load()).push(...args),
    list: async () => (await load()).list(),
    inspect: async (...args) => (await load()).inspect(...args),
    delete: async (...args) => (await load()).delete(...args),
    prune: async (...args) => (await load()).prune(...args),
  };
}

function kernelsOf(installation: Installation): KernelApi {
  const load = async (): Promise<KernelApi> => {
    const { createKernelApi } = await import("./kernel/kernels.ts");
    return createKernelApi(installation);
  };
  return {
    list: async () => (await load()).list(),
    pull: async (...args) => (await load()).pull(...args),
    import: async (...args) => (await load()).import(...args),
    build: async (...args) => (await load()).build(...args),
    setDefault: async (...args) => (await load()).setDefault(...args),
    delete: async (...args) => (await load()).delete(...args),
  };
}

function snapshotsOf(installation: Installation): SnapshotApi {
  const load = async (): Promise<SnapshotApi> => {
    const { createSnapshotApi } = await import("./snapshot/snapshots.ts");
    return createSnapshotApi(installation);
  };
  return {
    create: async (...args) => (await load()).create(...args),
    list: async (...args) => (await load()).list(...args),
    restore: async (...args) => (await load()).restore(...args),
    delete: async (...args) => (await load()).delete(...args),
    diff: async (...args) => (await load()).diff(...args),
  };
}

function networkApiOf(installation: Installation): NetworkApi {
  const load = () => import("./vm/audit.ts");
  return {
    audit: async (name) => (await load()).auditVm(installation, name),
    forget: async (name) => (await load()).forgetFlows(installation, name),
    status: async () => (await load()).networkStatus(installation),
    hostResolver: async () => (await load()).hostResolver(installation),
    answerHost: async (port) => (await load()).answerHost(installation, port),
  };
}

function storageOf(installation: Installation): StorageApi {
  return {
    usage: async () => (await import("./setup/storage-report.ts")).storageReport(installation),
    efficiency: async () => (await import("./setup/storage-report.ts")).storageEfficiency(installation),
    grow: async (sizeBytes) => (await import("./setup/storage-grow.ts")).growStorage(installation, sizeBytes),
    trim: async (names, options) =>
      (await import("./setup/storage-trim.ts")).trimStorage(installation, names, options),
  };
}
