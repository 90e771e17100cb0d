import type { EmberApi, ImageApi, KernelApi, VmApi } from "./api.ts";
import { createImageApi } from "./image/images.ts";
import { imageOperations } from "./image/operations.ts";
import { Installation, type InstallationOptions } from "./installation.ts";
import { createKernelApi } from "./kernel/kernels.ts";
import { deinitialize, deinitOperation, removeStateFolder } from "./setup/deinit.ts";
import { doctor } from "./setup/doctor.ts";
import { events } from "./setup/events.ts";
import { describeInstallation } from "./setup/info.ts";
import { initialize, initOperation } from "./setup/init.ts";
import { prune } from "./setup/prune.ts";
import { reconcile } from "./setup/reconcile.ts";
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
import { createOperation } from "./vm/operations/create.ts";
import { deleteOperation } from "./vm/operations/delete.ts";
import { startOperation } from "./vm/operations/start.ts";
import { stopOperation } from "./vm/operations/stop.ts";
import { createVmApi } from "./vm/vms.ts";

export interface OpenOptions extends InstallationOptions {
  /** The command that OpenSSH calls back as a proxy (`ssh-config`). Default: ["ember"]. */
  readonly program?: readonly string[];
}

/**
 * An installation of ember: one state folder, with its VMs, images and kernels.
 *
 *     await using ember = await Ember.open();
 *     await using vm = await ember.vms.create({ name: "web", image: "nginx", ephemeral: true });
 *     console.log((await vm.exec(["uname", "-a"])).stdout);
 */
export class Ember implements EmberApi {
  readonly vms: VmApi;
  readonly images: ImageApi;
  readonly kernels: KernelApi;
  readonly #installation: Installation;

  private constructor(installation: Installation, program: readonly string[]) {
    this.#installation = installation;
    this.vms = createVmApi(installation, program);
    this.images = createImageApi(installation, {
      deleteVm: (name) => this.vms.delete(name, { force: true }),
    });
    this.kernels = createKernelApi(installation);
  }

  /** Opens a state folder, which need not be initialised yet. Throws `database-failed`, `permission-denied`. */
  static async open(options: OpenOptions = {}): Promise<Ember> {
    const operations = [
      initOperation(),
      deinitOperation,
      createOperation(),
      startOperation,
      stopOperation,
      deleteOperation,
      ...imageOperations,
    ];
    return new Ember(new Installation(operations, options), options.program ?? ["ember"]);
  }

  async init(options: InitOptions & TaskOptions = {}): Promise<InstallationInfo> {
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
    await deinitialize(this.#installation, this, options);
    if (options.purge !== true) return;
    this.#installation[Symbol.dispose]();
    removeStateFolder(this.#installation.paths.stateDir);
  }

  info(): Promise<InstallationInfo> {
    return describeInstallation(this.#installation);
  }

  doctor(): Promise<readonly DoctorCheck[]> {
    return doctor(this.#installation);
  }

  reconcile(): Promise<ReconcileReport> {
    return reconcile(this.#installation);
  }

  prune(options: PruneOptions): Promise<PruneReport> {
    return prune(this.#installation, this, options);
  }

  events(
    options: { readonly since?: string; readonly follow?: boolean; readonly signal?: AbortSignal } = {},
  ): AsyncIterable<EmberEvent> {
    return events(this.#installation, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#installation[Symbol.dispose]();
  }
}
