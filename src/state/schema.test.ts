import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { egressOf } from "../policy/describe.ts";
import { Database } from "./database.ts";
import { findImage } from "./images.ts";
import { migrations } from "./schema.ts";
import { getVm } from "./vms.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-schema-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The first version of the schema whose VMs have a policy. */
const withPolicies = migrations.findIndex((sql) => sql.includes("ADD COLUMN policy")) + 1;

function oldDatabase(egress: readonly string[]): void {
  const db = new DatabaseSync(join(folder, "ember.db"));
  for (const sql of migrations.slice(0, withPolicies - 1)) db.exec(sql);
  db.exec(`PRAGMA user_version = ${withPolicies - 1}`);
  for (const [index, stored] of egress.entries()) {
    db.prepare(
      `INSERT INTO vms (id, name, visible, status, image_id, image_name, cpus, memory_bytes, disk_bytes, kernel,
         boot_arguments, network_mode, mac, block_base, block_prefix, ports, command, run_command, on_exit,
         environment, user, authorized_keys, host_key, host_public_key, created_at, egress)
       VALUES (?, ?, 1, 'created', 'i', 'i', 1, 1, 1, 'k', '', 'default', 'm', ?, 29, '[]', '[]', 1, 'stay', '{}', 'root', '[]',
         'k', 'p', '2026-01-01T00:00:00Z', ?)`,
    ).run(`id${index}`, `vm${index}`, index, stored);
  }
  db.close();
}

test("VMs of before keep what their egress meant", () => {
  oldDatabase(['"all"', '"none"', '["10.0.0.0/8","192.0.2.7/32"]']);
  using db = Database.open(folder);
  expect(getVm(db, "vm0").policy).toEqual({ default: "allow", rules: [] });
  expect(getVm(db, "vm1").policy).toEqual({ default: "refuse", rules: [] });
  const { policy } = getVm(db, "vm2");
  expect(egressOf(policy)).toEqual(["10.0.0.0/8", "192.0.2.7/32"]);
  expect(policy.rules[1]).toEqual({
    action: "allow",
    cidr: "192.0.2.7/32",
    port: 0,
    protocol: "",
    text: "--allow-cidr 192.0.2.7/32",
  });
});

test("a policy that somebody has changed to nonsense is refused, not read", () => {
  oldDatabase(['"all"']);
  using db = Database.open(folder);
  for (const policy of [
    '"all"',
    "{}",
    '{"default":"allow","rules":[{}]}',
    '{"default":"maybe","rules":[]}',
  ]) {
    db.run("UPDATE vms SET policy = ?", policy);
    expect(() => getVm(db, "vm0")).toThrow("holds something unexpected");
  }
});

test("images of before are on ext4, and no file system that ember does not know is mounted", () => {
  const before = migrations.findIndex((sql) => sql.includes("ADD COLUMN file_system"));
  const old = new DatabaseSync(join(folder, "ember.db"));
  for (const sql of migrations.slice(0, before)) old.exec(sql);
  old.exec(`PRAGMA user_version = ${before}`);
  old.exec(
    `INSERT INTO images (id, name, digest, architecture, source, disk_bytes, used_bytes, config, created_at)
       VALUES ('i', 'mine', 'd', 'amd64', 's', 1, 1, '{}', '2026-01-01T00:00:00Z')`,
  );
  old.close();
  using db = Database.open(folder);
  expect(findImage(db, "mine")?.fileSystem).toBe("ext4");
  db.run("UPDATE images SET file_system = 'zfs'");
  expect(() => findImage(db, "mine")).toThrow('no file system "zfs"');
});
