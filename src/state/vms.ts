import { EmberError } from "../errors/ember-error.ts";
import type { ProcessIdentity } from "../host/process-identity.ts";
import type { Accelerator } from "../hypervisor/hypervisor.ts";
import type { AgentEndpoint } from "../network/network.ts";
import type { NetworkPolicy, PortMapping, VmStatus } from "../types.ts";
import type { Database, Row } from "./database.ts";
import { integer, integerOrNull, json, oneOf, stringList, stringMap, text, textOrNull } from "./row.ts";
import { parseAgentEndpoint, parsePolicy, parsePorts } from "./stored-network.ts";

/** A VM as the database keeps it. `runtime` is there exactly while its hypervisor was last seen alive. */
export interface VmRecord {
  readonly id: string;
  readonly name: string;
  readonly visible: boolean;
  readonly status: VmStatus;
  readonly imageId: string;
  readonly imageName: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly kernel: string;
  readonly bootArguments: string;
  readonly networkMode: "default" | "none";
  readonly mac: string;
  readonly blockBase: number;
  readonly blockPrefix: number;
  readonly ports: readonly PortMapping[];
  readonly policy: NetworkPolicy;
  readonly command: readonly string[];
  readonly runCommand: boolean;
  readonly onExit: "stay" | "poweroff";
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string;
  readonly authorizedKeys: readonly string[];
  /** For the image's cloud-init, "" for nothing. It may hold passwords. */
  readonly userData: string;
  /** The guest's SSH host key, OpenSSH PEM: secret. */
  readonly hostKey: string;
  readonly hostPublicKey: string;
  readonly forkedFrom: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly lastError: string | null;
  readonly runtime: VmRuntime | null;
}

export interface VmRuntime {
  readonly process: ProcessIdentity;
  readonly accelerator: Accelerator;
  readonly agent: AgentEndpoint;
}

const statuses = ["created", "running", "paused", "stopped", "failed"] as const;

export function insertVm(db: Database, vm: VmRecord): void {
  db.transaction(() => {
    if (db.get("SELECT 1 FROM vms WHERE name = ?", vm.name) !== undefined) throw vmExists(vm.name);
    db.run(
      `INSERT INTO vms (id, name, visible, status, image_id, image_name, cpus, memory_bytes, disk_bytes, kernel,
         boot_arguments, network_mode, mac, block_base, block_prefix, ports, command, run_command, on_exit,
         environment, user, authorized_keys, host_key, host_public_key, forked_from, created_at, policy,
         user_data)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      vm.id,
      vm.name,
      vm.visible ? 1 : 0,
      vm.status,
      vm.imageId,
      vm.imageName,
      vm.cpus,
      vm.memoryBytes,
      vm.diskBytes,
      vm.kernel,
      vm.bootArguments,
      vm.networkMode,
      vm.mac,
      vm.blockBase,
      vm.blockPrefix,
      JSON.stringify(vm.ports),
      JSON.stringify(vm.command),
      vm.runCommand ? 1 : 0,
      vm.onExit,
      JSON.stringify(vm.environment),
      vm.user,
      JSON.stringify(vm.authorizedKeys),
      vm.hostKey,
      vm.hostPublicKey,
      vm.forkedFrom,
      vm.createdAt,
      JSON.stringify(vm.policy),
      vm.userData,
    );
  });
}

/** Throws `vm-not-found`, also for a VM that is still being made or already being removed. */
export function getVm(db: Database, name: string): VmRecord {
  const row = db.get("SELECT * FROM vms WHERE name = ? AND visible = 1", name);
  if (row === undefined) {
    throw new EmberError("vm-not-found", `no VM is named '${name}'`, {
      hint: "'ember vm list' shows what there is",
    });
  }
  return toVm(row);
}

/** By id, hidden ones included; undefined when there is none. */
export function findVm(db: Database, id: string): VmRecord | undefined {
  const row = db.get("SELECT * FROM vms WHERE id = ?", id);
  return row === undefined ? undefined : toVm(row);
}

export function listVms(db: Database): VmRecord[] {
  return db.all("SELECT * FROM vms WHERE visible = 1 ORDER BY name").map(toVm);
}

/** Names of the VMs made from an image, hidden ones included. */
export function vmsOfImage(db: Database, imageId: string): string[] {
  return db
    .all("SELECT name FROM vms WHERE image_id = ? ORDER BY name", imageId)
    .map((row) => text(row, "name"));
}

export function vmsOfKernel(db: Database, kernel: string): string[] {
  return db
    .all("SELECT name FROM vms WHERE kernel = ? ORDER BY name", kernel)
    .map((row) => text(row, "name"));
}

export function deleteVmRecord(db: Database, id: string): void {
  db.run("DELETE FROM vms WHERE id = ?", id);
}

export function setVmVisible(db: Database, id: string, visible: boolean): void {
  db.run("UPDATE vms SET visible = ? WHERE id = ?", visible ? 1 : 0, id);
}

export function setVmSizes(
  db: Database,
  id: string,
  sizes: Pick<VmRecord, "cpus" | "memoryBytes" | "kernel">,
): void {
  db.run(
    "UPDATE vms SET cpus = ?, memory_bytes = ?, kernel = ? WHERE id = ?",
    sizes.cpus,
    sizes.memoryBytes,
    sizes.kernel,
    id,
  );
}

/**
 * A number from 0 that no other VM of the installation has as long as this one exists, the same at each call. Throws
 * `unsupported` when `most` VMs have one.
 */
export function userNumberOf(db: Database, id: string, most: number): number {
  return db.transaction(() => {
    const row = db.get("SELECT user_number FROM vms WHERE id = ?", id);
    const known = row === undefined ? null : integerOrNull(row, "user_number");
    if (known !== null) return known;
    const free = db.get(
      `SELECT min(candidate) AS number FROM (
         SELECT 0 AS candidate UNION ALL SELECT user_number + 1 FROM vms WHERE user_number IS NOT NULL
       ) WHERE candidate NOT IN (SELECT user_number FROM vms WHERE user_number IS NOT NULL)`,
    );
    const number = free === undefined ? 0 : integer(free, "number");
    if (number >= most) {
      throw new EmberError(
        "unsupported",
        `${most} VMs have a user of their own on this host already, the most`,
        {
          hint: "delete VMs that are no longer needed",
        },
      );
    }
    db.run("UPDATE vms SET user_number = ? WHERE id = ?", number, id);
    return number;
  });
}

export function setVmBlock(
  db: Database,
  id: string,
  block: Pick<VmRecord, "blockBase" | "blockPrefix">,
): void {
  db.run(
    "UPDATE vms SET block_base = ?, block_prefix = ? WHERE id = ?",
    block.blockBase,
    block.blockPrefix,
    id,
  );
}

export function setVmNetwork(db: Database, id: string, to: Pick<VmRecord, "ports" | "policy">): void {
  db.run(
    "UPDATE vms SET ports = ?, policy = ? WHERE id = ?",
    JSON.stringify(to.ports),
    JSON.stringify(to.policy),
    id,
  );
}

export function setVmDiskBytes(db: Database, id: string, diskBytes: number): void {
  db.run("UPDATE vms SET disk_bytes = ? WHERE id = ?", diskBytes, id);
}

export function setVmStatus(db: Database, id: string, status: VmStatus): void {
  db.run("UPDATE vms SET status = ? WHERE id = ?", status, id);
}

/** Post-condition: the VM is running with that process. */
export function setVmRunning(db: Database, id: string, runtime: VmRuntime): void {
  db.run(
    `UPDATE vms SET status = 'running', started_at = ?, last_error = NULL, pid = ?, pid_start_time = ?,
       pid_boot_id = ?, accelerator = ?, agent = ? WHERE id = ?`,
    new Date().toISOString(),
    runtime.process.pid,
    runtime.process.startTime,
    runtime.process.bootId,
    runtime.accelerator,
    JSON.stringify(runtime.agent),
    id,
  );
}

/** Post-condition: the VM has no process. `lastError` says why when it is "failed". */
export function setVmHalted(
  db: Database,
  id: string,
  status: "stopped" | "failed" | "created",
  lastError: string | null = null,
): void {
  db.run(
    `UPDATE vms SET status = ?, last_error = ?, pid = NULL, pid_start_time = NULL, pid_boot_id = NULL,
       accelerator = NULL, agent = NULL WHERE id = ?`,
    status,
    lastError,
    id,
  );
}

function toVm(row: Row): VmRecord {
  return {
    id: text(row, "id"),
    name: text(row, "name"),
    visible: integer(row, "visible") === 1,
    status: oneOf(row, "status", statuses),
    imageId: text(row, "image_id"),
    imageName: text(row, "image_name"),
    cpus: integer(row, "cpus"),
    memoryBytes: integer(row, "memory_bytes"),
    diskBytes: integer(row, "disk_bytes"),
    kernel: text(row, "kernel"),
    bootArguments: text(row, "boot_arguments"),
    networkMode: oneOf(row, "network_mode", ["default", "none"]),
    mac: text(row, "mac"),
    blockBase: integer(row, "block_base"),
    blockPrefix: integer(row, "block_prefix"),
    ports: parsePorts(json(row, "ports")),
    policy: parsePolicy(json(row, "policy")),
    command: stringList(row, "command"),
    runCommand: integer(row, "run_command") === 1,
    onExit: oneOf(row, "on_exit", ["stay", "poweroff"]),
    environment: stringMap(row, "environment"),
    user: text(row, "user"),
    authorizedKeys: stringList(row, "authorized_keys"),
    userData: text(row, "user_data"),
    hostKey: text(row, "host_key"),
    hostPublicKey: text(row, "host_public_key"),
    forkedFrom: textOrNull(row, "forked_from"),
    createdAt: text(row, "created_at"),
    startedAt: textOrNull(row, "started_at"),
    lastError: textOrNull(row, "last_error"),
    runtime: toRuntime(row),
  };
}

function toRuntime(row: Row): VmRuntime | null {
  const pid = integerOrNull(row, "pid");
  if (pid === null) return null;
  return {
    process: { pid, startTime: text(row, "pid_start_time"), bootId: text(row, "pid_boot_id") },
    accelerator: oneOf(row, "accelerator", ["kvm", "hvf", "tcg"]),
    agent: parseAgentEndpoint(json(row, "agent")),
  };
}

function vmExists(name: string): EmberError {
  return new EmberError("vm-exists", `a VM named '${name}' exists already`, {
    hint: `choose another name, or remove it with 'ember vm delete ${name}'`,
  });
}
