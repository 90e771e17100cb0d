import { existsSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ImageApi, VmApi } from "../api.ts";
import { EmberError } from "../errors/ember-error.ts";
import type { Installation } from "../installation.ts";
import { listImages } from "../state/images.ts";
import type { Operation, OperationData } from "../state/journal.ts";
import { readSetting, removeSetting, type SettingName } from "../state/settings.ts";
import { listVms } from "../state/vms.ts";
import type { TaskOptions } from "../types.ts";
import { statusOf } from "../vm/status.ts";

/**
 * Takes the installation off the host: mounts, loop devices and sockets go, the data stays and `init` takes it up
 * again. With `purge` the VMs, images, kernels and keys go too. Without it, throws `has-dependants` while VMs run.
 * Finished, never undone.
 */
export async function deinitialize(
  installation: Installation,
  apis: { readonly vms: VmApi; readonly images: ImageApi },
  options: { readonly purge?: boolean } & TaskOptions = {},
): Promise<void> {
  if (!installation.initialized && options.purge !== true) return;
  if (options.purge === true && installation.initialized) await deleteEverything(installation, apis, options);
  refuseWhileRunning(installation);
  await installation.holding(["installation"], "ember deinit", async () => {
    const data = { purge: options.purge === true ? "yes" : "no" };
    await installation.journal.execute(deinitOperation, ["installation"], installation, data, options.signal);
  });
}

async function deleteEverything(
  installation: Installation,
  apis: { readonly vms: VmApi; readonly images: ImageApi },
  options: TaskOptions,
): Promise<void> {
  // Asked anew each time: a VM may take its forks along.
  for (let [vm] = listVms(installation.db); vm !== undefined; [vm] = listVms(installation.db)) {
    options.onProgress?.({ step: `deleting ${vm.name}` });
    await apis.vms.delete(vm.name, { ...options, force: true }).catch((error: unknown) => {
      // A delete that was killed before is finished first, and then there is nothing left to delete.
      if (!(error instanceof EmberError && error.code === "vm-not-found")) throw error;
    });
  }
  for (const image of listImages(installation.db)) await apis.images.delete(image.name, { force: true });
}

function refuseWhileRunning(installation: Installation): void {
  const running = listVms(installation.db).filter((vm) => vm.runtime !== null && statusOf(vm) !== "stopped");
  if (running.length === 0) return;
  throw new EmberError(
    "has-dependants",
    `VMs are running: ${running
      .map(({ name }) => name)
      .slice(0, 10)
      .join(", ")}`,
    {
      hint: "stop them first, or remove everything with 'ember deinit --purge'",
    },
  );
}

const purged = (data: OperationData): boolean => data["purge"] === "yes";

const settings: readonly SettingName[] = [
  "hypervisor",
  "hypervisor-choice",
  "accelerator",
  "network",
  "subnet",
  "outside-interface",
  "cpu-weight",
  "jailer",
  "default-kernel",
  "storage",
  "installation-id",
];

export const deinitOperation: Operation<Installation> = {
  kind: "deinit",
  recovery: "finish",
  steps: [
    {
      name: "host",
      run: async (installation) => {
        if (!installation.initialized) return undefined;
        await (await installation.network()).close();
        (await installation.containment())?.close();
        return undefined;
      },
    },
    {
      name: "storage",
      run: async (installation, data) => {
        const stored = readSetting(installation.db, "storage");
        if (stored !== undefined) await (await installation.storageDriver()).deinit(purged(data));
        return undefined;
      },
    },
    {
      name: "files",
      run: async (installation, data) => {
        const { stateDir, kernelsDir, runtimeDir } = installation.paths;
        const bulk = ["cache", "layers", "ssh", "vms"].map((name) => join(stateDir, name));
        for (const folder of purged(data) ? [runtimeDir, kernelsDir, ...bulk] : [runtimeDir]) {
          rmSync(folder, { recursive: true, force: true });
        }
        return undefined;
      },
    },
    {
      name: "settings",
      run: async (installation, data) => {
        const { db } = installation;
        if (!purged(data)) {
          removeSetting(db, "installation-id");
          return undefined;
        }
        db.transaction(() => {
          for (const name of settings) removeSetting(db, name);
        });
        return undefined;
      },
    },
  ],
};

/** Post-condition: nothing of an empty installation is left. Call it when its database is closed. */
export function removeStateFolder(stateDir: string): void {
  for (const name of ["ember.db", "ember.db-wal", "ember.db-shm"])
    rmSync(join(stateDir, name), { force: true });
  try {
    if (existsSync(stateDir)) rmdirSync(stateDir);
  } catch {
    // The user keeps something else there, such as config.yaml.
  }
}
