import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { storageDrivers } from "#platform";
import { parseStorageConfig } from "../../src/storage/config.ts";
import type { DiskLocation, DiskNumbers, Storage } from "../../src/storage/storage.ts";
import type { RootFileSystem } from "../../src/types.ts";

// What is on the disks of an installation, without booting a guest: for tests between two commands.

/** The storage of the installation in `stateDir`, opened beside it. */
async function openStorage(stateDir: string): Promise<Storage> {
  using db = new DatabaseSync(join(stateDir, "ember.db"), { readOnly: true });
  const stored = db.prepare("SELECT value FROM settings WHERE key = 'storage'").get();
  const config = parseStorageConfig(String(stored?.["value"]));
  const rows = db.prepare("SELECT key, number FROM disk_numbers").all();
  const numbers = readOnlyNumbers(new Map(rows.map((row) => [String(row["key"]), Number(row["number"])])));
  const storage = await storageDrivers[config.driver]?.(config, { numbers, notice: () => undefined });
  if (storage === undefined) throw new Error(`no driver '${config.driver}'`);
  await storage.open();
  return storage;
}

function readOnlyNumbers(known: ReadonlyMap<string, number>): DiskNumbers {
  const never = (): never => {
    throw new Error("a test only reads the numbers");
  };
  return { find: (key) => known.get(key), all: () => known, take: never, free: never };
}

function vmIdOf(stateDir: string, name: string): string {
  using db = new DatabaseSync(join(stateDir, "ember.db"), { readOnly: true });
  const row = db.prepare("SELECT id FROM vms WHERE name = ?").get(name);
  if (row === undefined) throw new Error(`there is no VM '${name}'`);
  return String(row["id"]);
}

/** Runs `body` with the disk of a stopped VM, active. */
export async function withDisk<T>(
  stateDir: string,
  name: string,
  body: (disk: DiskLocation) => T | Promise<T>,
): Promise<T> {
  const storage = await openStorage(stateDir);
  const vm = { vmId: vmIdOf(stateDir, name) };
  const disk = await storage.activate(vm);
  try {
    return await body(disk);
  } finally {
    await storage.deactivate(vm);
  }
}

/** Fills 64 KiB at `offset` with `byte`. */
export async function mark(stateDir: string, name: string, offset: number, byte: number): Promise<void> {
  await withDisk(stateDir, name, ({ path, format }) => {
    call("qemu-io", ["-f", format, "-c", `write -q -P ${byte} ${offset} 65536`, path]);
  });
}

/** Whether the 64 KiB at `offset` hold `byte` only. */
export async function isMarked(
  stateDir: string,
  name: string,
  offset: number,
  byte: number,
): Promise<boolean> {
  return await withDisk(stateDir, name, ({ path, format }) => {
    const command = `read -q -P ${byte} ${offset} 65536`;
    return spawnSync("qemu-io", ["-r", "-f", format, "-c", command, path]).status === 0;
  });
}

/** How each file system is looked over without being changed. */
const checkers: Readonly<Record<RootFileSystem, readonly [tool: string, ...args: readonly string[]]>> = {
  ext4: ["e2fsck", "-fn"],
  xfs: ["xfs_repair", "-n", "-f"],
  btrfs: ["btrfs", "-q", "check", "--readonly"],
};

/** Throws what the file system's own tool says when it finds anything wrong. */
export async function checkFileSystem(
  stateDir: string,
  name: string,
  fileSystem: RootFileSystem = "ext4",
): Promise<void> {
  const [tool, ...args] = checkers[fileSystem];
  await withDisk(stateDir, name, ({ path, format }) => {
    if (format === "raw") return call(tool, [...args, path]);
    const folder = mkdtempSync(join(tmpdir(), "ember-check-"));
    try {
      const raw = join(folder, "raw");
      call("qemu-img", ["convert", "-O", "raw", path, raw]);
      return call(tool, [...args, raw]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

function call(tool: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(tool, [...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${tool} ${args.join(" ")}: ${error?.message ?? `${stdout}${stderr}`}`);
}
