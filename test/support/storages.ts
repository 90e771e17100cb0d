import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { randomHex } from "../../src/host/random.ts";
import { lookUpTool } from "../../src/host/tools.ts";
import { onPlatform, platform } from "./platform.ts";
import { skipUnless } from "./require.ts";

/** A kind of storage that whole commands are tried on. */
export interface StorageKind {
  readonly name: string;
  /** Arguments for `ember init`. A pool's name must be free on the host, so they are made anew each time. */
  init(): readonly string[];
  /** How many forks are many: fewer where this storage is only there under emulation. */
  readonly many: number;
  /** As EMBER_REQUIRE names it. */
  readonly requirement: string;
  /** Why it cannot be tried here. */
  missing(): string | undefined;
}

const tool = (name: string): string | undefined =>
  lookUpTool(name) === undefined ? `'${name}' is not installed` : undefined;

const macosKinds: readonly StorageKind[] = [
  {
    name: "reflink on APFS",
    init: () => onPlatform.reflink(""),
    many: 20,
    requirement: "apfs",
    missing: () => undefined,
  },
  {
    name: "qcow2, with QEMU",
    init: () => ["--storage", "qcow2"],
    many: 20,
    requirement: "qcow2",
    missing: () => tool("qemu-img"),
  },
];

const linuxKinds: readonly StorageKind[] = [
  {
    name: "reflink on an XFS of its own",
    init: () => ["--storage", "reflink", "--size", "2G"],
    many: 100,
    requirement: "xfs",
    missing: () => tool("mkfs.xfs"),
  },
  {
    name: "reflink on a btrfs of its own",
    init: () => ["--storage", "reflink", "--fs", "btrfs", "--size", "2G"],
    many: 100,
    requirement: "btrfs",
    missing: () => tool("mkfs.btrfs"),
  },
  {
    name: "qcow2",
    init: () => ["--storage", "qcow2"],
    many: 100,
    requirement: "qcow2",
    missing: () => tool("qemu-img"),
  },
  {
    name: "zfs",
    init: () => ["--storage", "zfs", "--pool", `ember-${randomHex(4)}`, "--size", "2G"],
    many: 12,
    requirement: "zfs",
    missing: () => (existsSync("/dev/zfs") ? tool("zfs") : "the host has no ZFS (/dev/zfs)"),
  },
  {
    name: "dm-thin",
    init: () => ["--storage", "dm-thin", "--size", "2G"],
    many: 12,
    requirement: "dm-thin",
    missing: () =>
      spawnSync("dmsetup", ["targets"], { encoding: "utf8" }).stdout?.includes("thin-pool") === true
        ? tool("thin_check")
        : "the host has no thin-pool target (dmsetup targets)",
  },
];

/** Those that this machine can do; what EMBER_REQUIRE names must be among them. EMBER_STORAGES names some of them. */
export function storageKinds(): readonly StorageKind[] {
  const wanted = process.env["EMBER_STORAGES"]?.split(",");
  const kinds = platform === "darwin" ? macosKinds : linuxKinds;
  const chosen = kinds.filter(({ requirement }) => wanted?.includes(requirement) ?? true);
  return chosen.filter(({ name, requirement, missing }) => {
    const reason = missing();
    return !skipUnless(requirement, reason === undefined, `${name}: ${reason}`);
  });
}
