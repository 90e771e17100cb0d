import { bootId } from "#platform";
import type { Database } from "./database.ts";
import { text } from "./row.ts";

/** Names of the settings that `init` writes. */
export type SettingName =
  | "installation-id"
  | "hypervisor"
  | "hypervisor-choice"
  | "accelerator"
  | "storage"
  | "network"
  | "subnet"
  | "outside-interface"
  | "cpu-weight"
  | "host-resolver-port"
  | "jailer"
  | "default-kernel";

export function readSetting(db: Database, name: SettingName): string | undefined {
  const row = db.get("SELECT value FROM settings WHERE key = ?", name);
  return row === undefined ? undefined : text(row, "value");
}

export function writeSetting(db: Database, name: SettingName, value: string): void {
  db.run(
    "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    name,
    value,
  );
}

export function removeSetting(db: Database, name: SettingName): void {
  db.run("DELETE FROM settings WHERE key = ?", name);
}

/** Something found out about the host that stays true until its next boot; undefined when that has passed. */
export function readHostFact(db: Database, key: string): string | undefined {
  const row = db.get("SELECT value FROM host_facts WHERE key = ? AND boot_id = ?", key, bootId());
  return row === undefined ? undefined : text(row, "value");
}

export function writeHostFact(db: Database, key: string, value: string): void {
  db.passing(() =>
    db.run(
      `INSERT INTO host_facts (key, boot_id, value) VALUES (?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET boot_id = excluded.boot_id, value = excluded.value`,
      key,
      bootId(),
      value,
    ),
  );
}
