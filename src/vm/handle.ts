import type { VmApi, VmHandle } from "../api.ts";

/** A VM as an object of the library: the calls of `VmApi` with the name filled in. */
export function createHandle(
  vms: VmApi,
  vm: { readonly id: string; readonly name: string },
  ephemeral: boolean,
): VmHandle {
  const { id, name } = vm;
  return {
    id,
    name,
    inspect: () => vms.inspect(name),
    start: (options) => vms.start(name, options),
    stop: (options) => vms.stop(name, options),
    pause: () => vms.pause(name),
    resume: () => vms.resume(name),
    delete: (options) => vms.delete(name, options),
    fork: (options) => vms.fork(name, options),
    exec: (command, options) => vms.exec(name, command, options),
    copyIn: (hostPath, guestPath, options) => vms.copyIn(name, hostPath, guestPath, options),
    copyOut: (guestPath, hostPath, options) => vms.copyOut(name, guestPath, hostPath, options),
    [Symbol.asyncDispose]: async () => {
      if (!ephemeral) return;
      // Somebody else may have deleted it, and even made another of that name: only this one is ours.
      const present = (await vms.list()).some((candidate) => candidate.id === id);
      if (present) await vms.delete(name, { force: true });
    },
  };
}
