import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageApi } from "../../api.ts";
import { Installation, type InstallationOptions } from "../../installation.ts";
import { writeSetting } from "../../state/settings.ts";
import { insertVm } from "../../state/vms.ts";
import { createImageApi } from "../images.ts";
import { imageOperations } from "../operations.ts";

/** An initialised installation whose disks are plain files (storage `qcow2`), for images alone. */
export class Workshop implements Disposable {
  readonly home: string;
  readonly stateDir: string;
  readonly installation: Installation;
  readonly images: ImageApi;
  /** VMs that a forced deletion of an image took along. */
  readonly deletedVms: string[] = [];

  readonly #owner: boolean;

  private constructor(home: string, options: Omit<InstallationOptions, "stateDir">, owner: boolean) {
    this.home = home;
    this.#owner = owner;
    this.stateDir = join(home, "state");
    this.installation = new Installation(async () => imageOperations, {
      ...options,
      stateDir: this.stateDir,
    });
    this.images = createImageApi(this.installation, {
      deleteVm: async (name) => {
        this.deletedVms.push(name);
        this.installation.db.run("DELETE FROM vms WHERE name = ?", name);
      },
    });
  }

  static async make(options: Omit<InstallationOptions, "stateDir"> = {}): Promise<Workshop> {
    const home = mkdtempSync(join(tmpdir(), "ember-images-"));
    const workshop = new Workshop(home, options, true);
    const { db } = workshop.installation;
    const folder = join(workshop.stateDir, "storage");
    writeSetting(db, "installation-id", "test");
    writeSetting(db, "storage", JSON.stringify({ driver: "qcow2", folder }));
    await (await workshop.installation.storageDriver()).init();
    return workshop;
  }

  /** The same state folder, as another process would open it; disposing it leaves the folder. */
  static again(home: string, options: Omit<InstallationOptions, "stateDir"> = {}): Workshop {
    return new Workshop(home, options, false);
  }

  /** Records a VM made from an image, and makes its disk. */
  async addVm(name: string, imageId: string): Promise<string> {
    const vmId = Buffer.from(name).toString("hex").padEnd(12, "0").slice(0, 12);
    insertVm(this.installation.db, {
      id: vmId,
      name,
      visible: true,
      status: "stopped",
      imageId,
      imageName: "image",
      cpus: 1,
      memoryBytes: 1,
      diskBytes: 1,
      kernel: "k",
      bootArguments: "",
      networkMode: "none",
      mac: "",
      blockBase: Number.parseInt(vmId.slice(0, 8), 16),
      blockPrefix: 30,
      ports: [],
      policy: { default: "allow", rules: [] },
      command: [],
      runCommand: true,
      onExit: "stay",
      environment: {},
      user: "root",
      authorizedKeys: [],
      userData: "",
      hostKey: "",
      hostPublicKey: "",
      forkedFrom: null,
      createdAt: "",
      startedAt: null,
      lastError: null,
      runtime: null,
    });
    const storage = await this.installation.storage();
    const sizeBytes = 1024 ** 3;
    await storage.cloneImage({ imageId }, { vmId }, { sizeBytes });
    return vmId;
  }

  /** Everything on disk that belongs to an image: disks, staged disks, fetched files. */
  files(): string[] {
    return ["fetch", "storage/images", "storage/staging"]
      .flatMap((folder) => listed(join(this.stateDir, folder)).map((name) => `${folder}/${name}`))
      .sort();
  }

  [Symbol.dispose](): void {
    this.installation[Symbol.dispose]();
    if (this.#owner) rmSync(this.home, { recursive: true, force: true });
  }
}

function listed(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
