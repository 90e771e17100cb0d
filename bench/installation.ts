import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeBzImage } from "../src/kernel/testing/fake-kernel.ts";
import { writeBusyboxTar } from "../test/support/rootfs.ts";
import { timeProcess } from "./measure.ts";

export const executable: string = join(import.meta.dir, "..", "dist", "ember");

/** An installation of the benchmark's own with one small image, removed at the end. */
export class BenchInstallation implements Disposable {
  readonly home: string = mkdtempSync(join(tmpdir(), "ember-bench-"));
  readonly stateDir: string = join(this.home, "state");
  readonly env: Record<string, string> = {
    PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: this.home,
    EMBER_STATE_DIR: this.stateDir,
    EMBER_CACHE_DIR: join(
      process.env["EMBER_BUILD_CACHE"] ?? join(homedir(), ".cache", "ember-build"),
      "downloads",
    ),
  };

  get #rootfs(): string {
    return join(this.home, "rootfs.tar");
  }

  /** Runs `ember ARGS...`; returns the wall time of the whole process in milliseconds. */
  ember(...args: string[]): number {
    return timeProcess([executable, ...args], this.env);
  }

  prepare(init: readonly string[] = []): void {
    writeBusyboxTar(this.#rootfs);
    this.ember("init", ...init);
    this.importImage("busybox");
    this.ember("kernel", "pull", "debian");
  }

  /** With a kernel that does not boot: for what starts no VM, and where there is no network. */
  prepareWithoutKernel(init: readonly string[] = []): void {
    writeBusyboxTar(this.#rootfs);
    writeFileSync(join(this.home, "kernel"), makeBzImage());
    this.ember("init", ...init);
    this.importImage("busybox");
    this.ember("kernel", "import", join(this.home, "kernel"), "--name", "fake");
    this.ember("kernel", "default", "fake");
  }

  /** The number of a VM's thin device, on dm-thin storage. */
  thinIdOf(vmId: string): number {
    const record: { thinId: number } = JSON.parse(
      readFileSync(join(this.stateDir, "storage", "vms", `${vmId}.json`), "utf8"),
    );
    return record.thinId;
  }

  importImage(name: string): void {
    this.ember("image", "import", this.#rootfs, "--name", name);
  }

  /** What is used of the file system that holds the disks, once everything is written. */
  usedBytes(): number {
    const folder = join(this.stateDir, "storage");
    spawnSync("sync", ["-f", folder]);
    const { blocks, bfree, bsize } = statfsSync(folder);
    return (blocks - bfree) * bsize;
  }

  /** Copies of one VM's record, with ids and names of their own: what a large installation's list looks like. */
  addRecords(count: number): void {
    const db = new DatabaseSync(join(this.stateDir, "ember.db"));
    const columns = db
      .prepare("PRAGMA table_info(vms)")
      .all()
      .map((row) => String(row["name"]))
      .filter((name) => !["id", "name", "block_base", "user_number"].includes(name));
    const insert = db.prepare(
      `INSERT INTO vms (id, name, block_base, ${columns.join(", ")})
       SELECT ?, ?, ?, ${columns.join(", ")} FROM vms WHERE name = 'seed'`,
    );
    db.exec("BEGIN");
    for (let index = 0; index < count; index++) {
      insert.run(index.toString(16).padStart(12, "0"), `record-${index}`, 0xc0000000 + index * 8);
    }
    db.exec("COMMIT");
    db.close();
  }

  removeRecords(): void {
    const db = new DatabaseSync(join(this.stateDir, "ember.db"));
    db.exec("DELETE FROM vms WHERE name LIKE 'record-%'");
    db.close();
  }

  [Symbol.dispose](): void {
    try {
      this.ember("deinit", "--purge", "--quiet");
    } finally {
      rmSync(this.home, { recursive: true, force: true });
    }
  }
}
