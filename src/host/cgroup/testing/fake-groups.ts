import { basename, dirname } from "node:path";
import type { GroupFiles } from "../files.ts";

interface Group {
  readonly controllers: string[];
  readonly files: Map<string, string>;
  readonly processes: number[];
}

const knobs: Readonly<Record<string, readonly string[]>> = {
  cpu: ["cpu.weight"],
  memory: ["memory.max", "memory.oom.group"],
  pids: ["pids.max"],
};

class SystemError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** Control groups in memory, under the rules of cgroup-v2.rst that a careless caller would break. */
export class FakeGroups implements GroupFiles {
  readonly groups: Map<string, Group> = new Map<string, Group>();
  readonly proc: Map<string, string> = new Map<string, string>();
  /** Groups that are not this user's. */
  readonly foreign: Set<string> = new Set<string>();
  /** How often a removal finds the group still busy. */
  busy = 0;
  /** Fails every write to files of that name. */
  broken: string | undefined;
  writes = 0;

  constructor(controllers: readonly string[], mount = "/sys/fs/cgroup") {
    this.proc.set("/proc/self/mountinfo", `30 24 0:26 / ${mount} rw,nosuid - cgroup2 cgroup2 rw\n`);
    this.proc.set("/proc/self/cgroup", "0::/\n");
    this.groups.set(mount, { controllers: [...controllers], files: new Map(), processes: [1, 2] });
  }

  readonly read = (path: string): string => {
    const proc = this.proc.get(path);
    if (proc !== undefined) return proc;
    const group = this.#group(dirname(path));
    const isTop = !this.groups.has(dirname(dirname(path)));
    switch (basename(path)) {
      case "cgroup.controllers":
        return `${group.controllers.join(" ")}\n`;
      case "cgroup.subtree_control":
        return `${group.files.get("cgroup.subtree_control") ?? ""}\n`;
      case "cgroup.procs":
        return group.processes.map((pid) => `${pid}\n`).join("");
      case "cgroup.type":
        if (!isTop) return "domain\n";
        break;
    }
    throw new SystemError("ENOENT");
  };

  readonly write = (path: string, value: string): void => {
    this.writes++;
    const name = basename(path);
    const group = this.#group(dirname(path));
    if (this.foreign.has(dirname(path))) throw new SystemError("EACCES");
    if (name === this.broken) throw new SystemError("EIO");
    if (name === "cgroup.subtree_control") this.#enable(dirname(path), group, value);
    else if (name === "cgroup.procs") this.#move(group, Number(value));
    else if (group.controllers.some((controller) => knobs[controller]?.includes(name))) {
      group.files.set(name, value);
    } else throw new SystemError("ENOENT");
  };

  readonly isWritable = (path: string): boolean =>
    !this.foreign.has(this.groups.has(path) ? path : dirname(path));

  readonly makeGroup = (path: string): void => {
    if (this.groups.has(path)) return;
    const enabled = this.#group(dirname(path)).files.get("cgroup.subtree_control") ?? "";
    const controllers = enabled.split(" ").filter((name) => name !== "");
    this.groups.set(path, { controllers, files: new Map(), processes: [] });
  };

  readonly removeGroup = (path: string): void => {
    const group = this.groups.get(path);
    if (group === undefined) return;
    const busy = this.busy-- > 0;
    if (busy || group.processes.length > 0 || this.groupsIn(path).length > 0) throw new SystemError("EBUSY");
    this.groups.delete(path);
  };

  readonly groupsIn = (path: string): readonly string[] =>
    [...this.groups.keys()]
      .filter((other) => dirname(other) === path && other !== path)
      .map((other) => basename(other));

  file(path: string): string | undefined {
    return this.groups.get(dirname(path))?.files.get(basename(path));
  }

  #group(path: string): Group {
    const group = this.groups.get(path);
    if (group === undefined) throw new SystemError("ENOENT");
    return group;
  }

  #enable(path: string, group: Group, value: string): void {
    const names = value.split(" ").map((word) => word.slice(1));
    if (names.some((name) => !group.controllers.includes(name))) throw new SystemError("ENOENT");
    const isTop = !this.groups.has(dirname(path));
    if (!isTop && group.processes.length > 0) throw new SystemError("EBUSY");
    const before = (group.files.get("cgroup.subtree_control") ?? "").split(" ");
    const all = new Set([...before, ...names].filter((name) => name !== ""));
    group.files.set("cgroup.subtree_control", [...all].join(" "));
    for (const child of this.groupsIn(path)) {
      const { controllers } = this.#group(`${path}/${child}`);
      controllers.push(...names.filter((name) => !controllers.includes(name)));
    }
  }

  #move(group: Group, pid: number): void {
    if ((group.files.get("cgroup.subtree_control") ?? "") !== "") throw new SystemError("EBUSY");
    for (const { processes } of this.groups.values()) {
      if (processes.includes(pid)) processes.splice(processes.indexOf(pid), 1);
    }
    group.processes.push(pid);
  }
}
