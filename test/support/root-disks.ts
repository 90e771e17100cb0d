import { spawnSync } from "node:child_process";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gptDisk } from "../../src/image/partitions/testing/tables.ts";
import type { OtherRoot } from "../../src/types.ts";
import { writeBusyboxTar } from "./rootfs.ts";

// Disks as clouds have them, with a small root on XFS or btrfs: a boot partition without an operating system, then the root.

const mib = 1024 ** 2;
const perMib = mib / 512;
const bootMib = 4;
/** mkfs.xfs makes none that is smaller. */
export const rootMib = 300;

const rootUuid = "0f1e2d3c-0000-4000-8000-0123456789ab";
const rootLabel = "cloud-root";

/** Writes a raw disk to `target`. `add` puts more into the root's tree. */
export function writeRootDisk(
  fileSystem: OtherRoot,
  target: string,
  add: (tree: string) => void = () => undefined,
): void {
  const work = mkdtempSync(join(tmpdir(), "ember-root-"));
  try {
    const tree = join(work, "tree");
    mkdirSync(tree);
    writeBusyboxTar(join(work, "tar"), (made) => {
      mkdirSync(join(made, "usr"));
      add(made);
    });
    run("tar", "-xf", join(work, "tar"), "-C", tree);
    const part = join(work, "part");
    writeFileSync(part, "");
    truncateSync(part, rootMib * mib);
    (fileSystem === "xfs" ? makeXfs : makeBtrfs)(part, tree, work);
    writeGpt(target, part);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function makeXfs(part: string, tree: string, work: string): void {
  const prototype = join(work, "prototype");
  writeFileSync(prototype, ["/", "0 0", "d--755 0 0", ...prototypeOf(tree), "$", ""].join("\n"));
  run("mkfs.xfs", "-q", "-L", rootLabel, "-m", `uuid=${rootUuid}`, "-p", prototype, part);
}

/** What is in a folder, as mkfs.xfs takes it (-p). */
function prototypeOf(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    const facts = lstatSync(path);
    const owner = `${facts.uid} ${facts.gid}`;
    const mode = `--${(facts.mode & 0o777).toString(8).padStart(3, "0")}`;
    if (facts.isSymbolicLink()) return [`${name} l${mode} ${owner} ${readlinkSync(path)}`];
    if (facts.isFile()) return [`${name} -${mode} ${owner} ${path}`];
    return [`${name} d${mode} ${owner}`, ...prototypeOf(path), "$"];
  });
}

/** As Fedora's are: subvolumes for root and home, neither of them the default one. */
function makeBtrfs(part: string, tree: string, work: string): void {
  run("mkfs.btrfs", "-q", "-L", rootLabel, "-U", rootUuid, part);
  const mounted = join(work, "mounted");
  mkdirSync(mounted);
  run("mount", "-o", "loop", part, mounted);
  try {
    for (const name of ["root", "home"]) run("btrfs", "-q", "subvolume", "create", join(mounted, name));
    run("cp", "-a", `${tree}/.`, join(mounted, "root"));
    writeFileSync(join(mounted, "home", "of-home"), "");
  } finally {
    run("umount", mounted);
  }
}

function writeGpt(target: string, part: string): void {
  const first = (1 + bootMib) * perMib;
  const sectors = first + (rootMib + 1) * perMib;
  const table = gptDisk({
    sectors,
    entries: [
      { first: perMib, last: first - 1 },
      { first, last: first + rootMib * perMib - 1 },
    ],
  });
  writeFileSync(target, table);
  const [from, to] = [openSync(part, "r"), openSync(target, "r+")];
  const bytes = Buffer.alloc(mib);
  for (let at = 0; at < rootMib; at++) {
    readSync(from, bytes, 0, mib, at * mib);
    writeSync(to, bytes, 0, mib, first * 512 + at * mib);
  }
  closeSync(from);
  closeSync(to);
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, [...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${stderr}`);
}
