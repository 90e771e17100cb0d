import { join } from "node:path";
import { errnoCode } from "../../errors/ember-error.ts";
import { type GroupFiles, groupFiles } from "./files.ts";
import { type GroupLimits, maxTasks, memoryMax } from "./limits.ts";
import { type Controller, findPlace, words } from "./place.ts";

/**
 * The control groups of an installation: one that shares the host's processors by weight, so that a busy fleet yields to
 * the host, and in it one for each VM that bounds its memory and tasks. A VM runs without them just as well, so nothing
 * here throws: the first thing that fails is told to `notice`, and that is all.
 */
export interface Containment {
  readonly available: boolean;
  /** For people, in both cases: where the groups are (and what they cannot bound), or why there are none. */
  readonly reason: string;
  /** Post-condition: the VM's group exists with these limits. Gives its absolute folder, undefined where there are none. Idempotent. */
  prepare(vmId: string, limits: GroupLimits): string | undefined;
  /** Post-condition: the process, with all its threads, is in the group prepared before. Idempotent. Says whether that is so. */
  enter(folder: string, pid: number): boolean;
  /** Call it when the VM's processes have ended. Post-condition: its group is gone. Idempotent. */
  remove(vmId: string): void;
  /** Post-condition: the installation's group, when it is there, has this weight (1 to 10000). Idempotent. */
  setWeight(cpuWeight: number): void;
  /** Post-condition: nothing of the installation is left. Idempotent. */
  close(): void;
}

export interface ContainmentOptions {
  readonly notice?: ((line: string) => void) | undefined;
  /** For tests. */
  readonly files?: GroupFiles;
  /** For tests. Default: whether this process is root's. */
  readonly isRoot?: boolean;
}

/** Looks for where an installation's groups can be made. Changes nothing, and starts no process. */
export function findContainment(
  installationId: string,
  cpuWeight: number,
  options: ContainmentOptions = {},
): Containment {
  const { files = groupFiles, isRoot = process.getuid?.() === 0 } = options;
  const place = findPlace({ files, isRoot });
  const notice = once(options.notice);
  if (!isGroupName(installationId) || place.folder === undefined) {
    const reason = place.folder === undefined ? place.reason : "the installation's id is no name for a group";
    return unavailable(reason, notice);
  }
  const folder = join(place.folder, `ember-${installationId}`);
  return new Groups(files, { ...place, parent: place.folder, folder, cpuWeight }, notice);
}

function unavailable(reason: string, notice: (line: string) => void): Containment {
  return {
    available: false,
    reason,
    prepare: () => {
      notice(`VMs run without limits on what they take from the host: ${reason}`);
      return undefined;
    },
    enter: () => false,
    remove: () => {},
    setWeight: () => {},
    close: () => {},
  };
}

interface GroupsPlace {
  readonly parent: string;
  readonly folder: string;
  readonly controllers: readonly Controller[];
  readonly missing: readonly Controller[];
  readonly cpuWeight: number;
}

class Groups implements Containment {
  readonly available = true;
  readonly reason: string;
  readonly #files: GroupFiles;
  readonly #place: GroupsPlace;
  readonly #notice: (line: string) => void;

  constructor(files: GroupFiles, place: GroupsPlace, notice: (line: string) => void) {
    const unbounded = place.missing.length === 0 ? "" : `, without ${place.missing.join(" and ")}`;
    this.reason = `control groups in '${place.folder}'${unbounded}`;
    this.#files = files;
    this.#place = place;
    this.#notice = notice;
  }

  prepare(vmId: string, limits: GroupLimits): string | undefined {
    const group = this.#groupOf(vmId);
    if (group === undefined) return undefined;
    const made = this.#attempt(`limits for VM ${vmId} cannot be set`, () => {
      this.#prepareInstallation();
      this.#files.makeGroup(group);
      if (this.#has("memory")) {
        this.#files.write(join(group, "memory.max"), String(memoryMax(limits)));
        // A hypervisor that lost one of its threads or helpers is of no use to its guest.
        this.#files.write(join(group, "memory.oom.group"), "1");
      }
      if (this.#has("pids")) this.#files.write(join(group, "pids.max"), String(maxTasks));
    });
    if (made) return group;
    this.remove(vmId); // no group is better than one without its limits
    return undefined;
  }

  enter(folder: string, pid: number): boolean {
    return this.#attempt(`process ${pid} cannot be put into its control group`, () => {
      this.#files.write(join(folder, "cgroup.procs"), String(pid));
    });
  }

  remove(vmId: string): void {
    const group = this.#groupOf(vmId);
    if (group !== undefined) this.#removeTree(group);
  }

  setWeight(cpuWeight: number): void {
    const { parent, folder } = this.#place;
    if (!this.#has("cpu")) return;
    this.#attempt("the weight of the VMs cannot be set", () => {
      if (!this.#files.groupsIn(parent).includes(folder.slice(parent.length + 1))) return;
      this.#files.write(join(folder, "cpu.weight"), String(cpuWeight));
    });
  }

  close(): void {
    this.#removeTree(this.#place.folder);
  }

  /** Controllers come from above: a group has those that its parent hands on. */
  #prepareInstallation(): void {
    const { parent, folder, cpuWeight } = this.#place;
    this.#handOn(parent);
    this.#files.makeGroup(folder);
    if (this.#has("cpu")) this.#files.write(join(folder, "cpu.weight"), String(cpuWeight));
    this.#handOn(folder);
  }

  #handOn(group: string): void {
    const path = join(group, "cgroup.subtree_control");
    const enabled = words(this.#files.read(path));
    const wanted = this.#place.controllers.filter((name) => !enabled.includes(name));
    if (wanted.length > 0) this.#files.write(path, wanted.map((name) => `+${name}`).join(" "));
  }

  #removeTree(group: string): void {
    this.#attempt(`the control group '${group}' is left`, () => {
      for (const name of this.#files.groupsIn(group)) this.#removeTree(join(group, name));
      removeWhenEmpty(this.#files, group);
    });
  }

  #groupOf(vmId: string): string | undefined {
    return isGroupName(vmId) ? join(this.#place.folder, vmId) : undefined;
  }

  #has(name: Controller): boolean {
    return this.#place.controllers.includes(name);
  }

  /** Says whether it succeeded. */
  #attempt(failure: string, action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      this.#notice(`${failure}: ${errnoCode(error) ?? String(error)}`);
      return false;
    }
  }
}

/** A process that was killed is in its group until its last thread is gone, which takes some milliseconds. */
function removeWhenEmpty(files: GroupFiles, group: string): void {
  for (let attempt = 1; ; attempt++) {
    try {
      files.removeGroup(group);
      return;
    } catch (error) {
      if (errnoCode(error) !== "EBUSY" || attempt === 40) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** No dots: the files in a group have them. */
const isGroupName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name);

function once(notice: ((line: string) => void) | undefined): (line: string) => void {
  let told = false;
  return (line) => {
    if (!told) notice?.(line);
    told = true;
  };
}
