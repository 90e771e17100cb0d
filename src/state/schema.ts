/**
 * Migrations, in order; the database's `user_version` counts those applied. Never change one that was released:
 * add another. Times are ISO 8601 UTC text, sizes bytes, lists and maps JSON text.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  CREATE TABLE images (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL,
    architecture TEXT NOT NULL,
    source TEXT NOT NULL,
    disk_bytes INTEGER NOT NULL,
    used_bytes INTEGER NOT NULL,
    config TEXT NOT NULL,
    created_at TEXT NOT NULL
  );

  CREATE TABLE vms (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- 0 while an operation is still making it, or already removing it
    visible INTEGER NOT NULL,
    status TEXT NOT NULL,
    image_id TEXT NOT NULL,
    image_name TEXT NOT NULL,
    cpus INTEGER NOT NULL,
    memory_bytes INTEGER NOT NULL,
    disk_bytes INTEGER NOT NULL,
    kernel TEXT NOT NULL,
    boot_arguments TEXT NOT NULL,
    network_mode TEXT NOT NULL,
    mac TEXT NOT NULL,
    -- first address of the VM's block as an unsigned number, and the block's prefix length
    block_base INTEGER NOT NULL UNIQUE,
    block_prefix INTEGER NOT NULL,
    ports TEXT NOT NULL,
    command TEXT NOT NULL,
    run_command INTEGER NOT NULL,
    on_exit TEXT NOT NULL,
    environment TEXT NOT NULL,
    user TEXT NOT NULL,
    authorized_keys TEXT NOT NULL,
    host_key TEXT NOT NULL,
    host_public_key TEXT NOT NULL,
    forked_from TEXT,
    created_at TEXT NOT NULL,
    started_at TEXT,
    last_error TEXT,
    -- the hypervisor process and how to reach the agent; null unless running or paused
    pid INTEGER,
    pid_start_time TEXT,
    pid_boot_id TEXT,
    accelerator TEXT,
    agent TEXT
  );
  CREATE INDEX vms_by_image ON vms (image_id);

  CREATE TABLE operations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- steps begun so far
    begun INTEGER NOT NULL,
    data TEXT NOT NULL,
    owner_pid INTEGER NOT NULL,
    owner_start_time TEXT NOT NULL,
    owner_boot_id TEXT NOT NULL,
    created_at TEXT NOT NULL
  );

  CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    start_time TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    -- tells leases of one process apart
    token TEXT NOT NULL,
    purpose TEXT NOT NULL,
    acquired_at TEXT NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
  );

  -- what was found out about the host, true until its next boot
  CREATE TABLE host_facts (key TEXT PRIMARY KEY, boot_id TEXT NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;
  `,
  `
  CREATE TABLE snapshots (
    id TEXT PRIMARY KEY,
    vm_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- 0 while an operation is still making it, or already removing it
    visible INTEGER NOT NULL,
    disk_bytes INTEGER NOT NULL,
    -- what the VM was when it was made: "running", "paused", "stopped", "created"
    vm_status TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (vm_id, name)
  );

  -- numbers that storage drivers give to disks
  CREATE TABLE disk_numbers (key TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE) WITHOUT ROWID;
  `,
  `
  -- where the VM may connect to: "all", "none", or a list of networks
  ALTER TABLE vms ADD COLUMN egress TEXT NOT NULL DEFAULT '"all"';
  -- tells the VM's user on the host from those of other VMs; given at its first start
  ALTER TABLE vms ADD COLUMN user_number INTEGER;
  CREATE UNIQUE INDEX vms_by_user_number ON vms (user_number);
  `,
  `
  -- when a VM made from the image was last made, started or deleted; null while there was none
  ALTER TABLE images ADD COLUMN last_used_at TEXT;
  -- Here rather than in the code, so that no way of making or starting a VM forgets it.
  CREATE TRIGGER image_used_by_new_vm AFTER INSERT ON vms BEGIN
    UPDATE images SET last_used_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.image_id;
  END;
  CREATE TRIGGER image_used_by_start AFTER UPDATE OF started_at ON vms WHEN NEW.started_at IS NOT NULL BEGIN
    UPDATE images SET last_used_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.image_id;
  END;
  CREATE TRIGGER image_used_until_deleted AFTER DELETE ON vms BEGIN
    UPDATE images SET last_used_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = OLD.image_id;
  END;
  `,
  `
  -- where the VM may connect to: a default and rules, in place of "all", "none" or a list of networks
  ALTER TABLE vms ADD COLUMN policy TEXT NOT NULL DEFAULT '{"default":"allow","rules":[]}';
  UPDATE vms SET policy = json_object('default', 'refuse', 'rules', json('[]')) WHERE egress = '"none"';
  UPDATE vms SET policy = json_object('default', 'refuse', 'rules', json((
      SELECT json_group_array(json_object('action', 'allow', 'cidr', value, 'port', 0, 'protocol', '',
        'text', '--allow-cidr ' || value)) FROM json_each(vms.egress))))
    WHERE egress NOT IN ('"all"', '"none"');
  ALTER TABLE vms DROP COLUMN egress;
  `,
  `
  -- what the image's cloud-init is told beside the VM's identity; '' for nothing
  ALTER TABLE vms ADD COLUMN user_data TEXT NOT NULL DEFAULT '';
  `,
  `
  -- what the guest mounts its root by: "ext4", "xfs" or "btrfs"
  ALTER TABLE images ADD COLUMN file_system TEXT NOT NULL DEFAULT 'ext4';
  `,
];
