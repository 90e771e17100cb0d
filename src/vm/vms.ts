import type { VmApi } from "../api.ts";
import type { Installation } from "../installation.ts";
import { getVm } from "../state/vms.ts";
import { createHandle } from "./handle.ts";
import * as observe from "./observe.ts";

// Loaded when called, so that a command loads what it uses: `vm list` is the measure.
const create = () => import("./create.ts");
const fork = () => import("./fork.ts");
const remove = () => import("./delete.ts");
const lifecycle = () => import("./lifecycle.ts");
const resize = () => import("./resize.ts");
const sessions = () => import("./sessions.ts");

/** What one can do with the VMs of an installation. `program` is the command that OpenSSH calls back as a proxy. */
export function createVmApi(installation: Installation, program: readonly string[]): VmApi {
  const api: VmApi = {
    create: async (options) => {
      const vm = await (await create()).createVm(installation, options);
      return createHandle(api, vm, options.ephemeral === true);
    },
    get: async (name) => createHandle(api, getVm(installation.db, name), false),
    list: (options) => observe.listSummaries(installation, options),
    inspect: (name) => observe.inspectVm(installation, name),
    start: async (name, options) => (await lifecycle()).startVm(installation, name, options),
    stop: async (name, options) => (await lifecycle()).stopVm(installation, name, options),
    restart: async (name, options) => (await lifecycle()).restartVm(installation, name, options),
    pause: async (name) => (await lifecycle()).pauseVm(installation, name),
    resume: async (name) => (await lifecycle()).resumeVm(installation, name),
    delete: async (name, options) => (await remove()).deleteVm(installation, name, options),
    push: async (name, options) => (await import("../snapshot/push.ts")).pushVm(installation, name, options),
    fork: async (source, options) =>
      createHandle(api, await (await fork()).forkVm(installation, source, options), false),
    resize: async (name, diskBytes, options) =>
      (await resize()).resizeVm(installation, name, diskBytes, options),
    tree: async () => (await import("./tree.ts")).vmTree(installation),
    update: async (name, options) => (await lifecycle()).updateVm(installation, name, options),
    publish: async (name, ports) => (await lifecycle()).publishVm(installation, name, ports),
    unpublish: async (name, ports) => (await lifecycle()).unpublishVm(installation, name, ports),
    wait: (name, state, options) => observe.waitForVm(installation, name, state, options),
    stats: (names) => observe.vmStats(installation, names),
    async *logs(name, options) {
      yield* (await import("./logs.ts")).vmLogs(installation, name, options);
    },
    exec: async (...args) => (await sessions()).execIn(installation, ...args),
    shell: async (...args) => (await sessions()).shellIn(installation, ...args),
    copyIn: async (...args) => (await sessions()).copyIntoGuest(installation, ...args),
    copyOut: async (...args) => (await sessions()).copyOutOfGuest(installation, ...args),
    extractTar: async (...args) => (await sessions()).extractTarIn(installation, ...args),
    createTar: async (...args) => (await sessions()).createTarOf(installation, ...args),
    forward: async (...args) => (await sessions()).forwardPorts(installation, ...args),
    sshConfig: async (names) => (await sessions()).sshConfigFor(installation, program, names),
    proxy: async (...args) => (await sessions()).proxyTo(installation, ...args),
  };
  return api;
}
