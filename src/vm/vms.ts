import type { VmApi } from "../api.ts";
import type { Installation } from "../installation.ts";
import { getVm } from "../state/vms.ts";
import { createVm, forkVm } from "./create.ts";
import { createHandle } from "./handle.ts";
import { deleteVm, pauseVm, restartVm, resumeVm, startVm, stopVm, updateVm } from "./lifecycle.ts";
import { vmLogs } from "./logs.ts";
import { inspectVm, listSummaries, vmStats, waitForVm } from "./observe.ts";
import * as sessions from "./sessions.ts";

/** What one can do with the VMs of an installation. `program` is the command that OpenSSH calls back as a proxy. */
export function createVmApi(installation: Installation, program: readonly string[]): VmApi {
  const api: VmApi = {
    create: async (options) =>
      createHandle(api, await createVm(installation, options), options.ephemeral === true),
    get: async (name) => createHandle(api, getVm(installation.db, name), false),
    list: (options) => listSummaries(installation, options),
    inspect: (name) => inspectVm(installation, name),
    start: (name, options) => startVm(installation, name, options),
    stop: (name, options) => stopVm(installation, name, options),
    restart: (name, options) => restartVm(installation, name, options),
    pause: (name) => pauseVm(installation, name),
    resume: (name) => resumeVm(installation, name),
    delete: (name, options) => deleteVm(installation, name, options),
    fork: async (source, options) => createHandle(api, await forkVm(installation, source, options), false),
    update: (name, options) => updateVm(installation, name, options),
    wait: (name, state, options) => waitForVm(installation, name, state, options),
    stats: (names) => vmStats(installation, names),
    logs: (name, options) => vmLogs(installation, name, options),
    exec: (name, command, options) => sessions.execIn(installation, name, command, options),
    shell: (name, commandLine, options) => sessions.shellIn(installation, name, commandLine, options),
    copyIn: (name, host, guest, options) => sessions.copyIntoGuest(installation, name, host, guest, options),
    copyOut: (name, guest, host, options) =>
      sessions.copyOutOfGuest(installation, name, guest, host, options),
    extractTar: (name, tar, folder, options) =>
      sessions.extractTarIn(installation, name, tar, folder, options),
    createTar: (name, path, out, options) => sessions.createTarOf(installation, name, path, out, options),
    forward: (name, ports) => sessions.forwardPorts(installation, name, ports),
    sshConfig: (names) => sessions.sshConfigFor(installation, program, names),
    proxy: (name, stdin, stdout) => sessions.proxyTo(installation, name, stdin, stdout),
  };
  return api;
}
