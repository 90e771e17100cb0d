import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { writeFileAtomic } from "../../host/files.ts";
import { mountedAt, mountOptions } from "../../host/mounts.ts";
import { run } from "../../host/run.ts";
import type { VmSpec } from "../hypervisor.ts";
import { fileNames, jailBase, jailRoot, recordPath, shortcut } from "./places.ts";

/** What `clearPlaces` puts right, in the VM's folder. */
const jailRecord = v.object({
  mounts: v.array(v.string()),
  owners: v.array(v.object({ path: v.string(), uid: v.number(), gid: v.number() })),
});

type JailRecord = v.InferOutput<typeof jailRecord>;

/**
 * Gives the process a root folder with all that it needs and nothing else, everything the VM's own user's. Disks are not
 * copied: a link where they lie on the same file system, a device node, or a mount of the file. Returns the root.
 * Throws `host-unsupported` where the file system allows no devices or programs.
 */
export async function makeJail(spec: VmSpec, userId: number, program: string): Promise<string> {
  mkdirSync(jailBase(spec.folder), { recursive: true, mode: 0o700 });
  refuseRestricted(jailBase(spec.folder));
  const root = jailRoot(spec.folder, realpathSync(program), spec.vmId);
  const drives = spec.drives.map((drive, index) => {
    const path = realpathSync(drive.path);
    return {
      path,
      inside: join(root, fileNames.drive(index)),
      stat: statSync(path),
      readOnly: drive.readOnly,
    };
  });
  const files = drives.filter(({ stat }) => stat.isFile());
  const record: JailRecord = {
    mounts: files.map(({ inside }) => inside),
    owners: files.map(({ path, stat }) => ({ path, uid: stat.uid, gid: stat.gid })),
  };
  writeFileAtomic(recordPath(spec.folder), JSON.stringify(record));
  mkdirSync(root, { recursive: true, mode: 0o700 });
  for (const drive of drives) await placeDrive(drive.path, drive.inside, drive.stat, userId);
  placeKernel(spec.kernelPath, join(root, fileNames.kernel), userId);
  placeInitrd(spec, join(root, fileNames.initrd), userId);
  for (const name of [fileNames.log, fileNames.metrics]) {
    writeFileSync(join(root, name), "", { mode: 0o600 });
    give(join(root, name), userId, 0o600);
  }
  give(root, userId, 0o700);
  return root;
}

function refuseRestricted(base: string): void {
  const options = mountOptions(realpathSync(base));
  const missing = ["nodev", "noexec"].filter((option) => options.includes(option));
  if (missing.length === 0) return;
  throw new EmberError(
    "host-unsupported",
    `Firecracker's jail cannot be in '${base}': mounted ${missing.join(", ")}`,
    {
      hint: "use a state folder on another file system, or run without: ember init --no-jailer",
    },
  );
}

async function placeDrive(path: string, inside: string, stat: Stats, userId: number): Promise<void> {
  if (stat.isBlockDevice()) {
    const number = Number(stat.rdev);
    const [major, minor] = [(number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00)];
    await run("mknod", ["-m", "600", inside, "b", String(major), String(minor)]);
    chownSync(inside, userId, userId);
    return;
  }
  try {
    linkSync(path, inside);
  } catch (error) {
    if (errnoCode(error) !== "EXDEV" && errnoCode(error) !== "EPERM") throw error;
    writeFileSync(inside, "", { mode: 0o600 });
    await run("mount", ["--bind", path, inside]);
  }
  chownSync(inside, userId, userId);
}

/** One in the VM's folder is this VM's alone, and goes once the guest has it: it need not be there twice. */
function placeInitrd({ folder, initrdPath }: VmSpec, inside: string, userId: number): void {
  if (dirname(realpathSync(initrdPath)) === realpathSync(folder)) linkOrCopy(initrdPath, inside);
  else copyFileSync(initrdPath, inside);
  give(inside, userId, 0o400);
}

/** Kernels are shared by VMs, so their owner stays as it is. */
function placeKernel(path: string, inside: string, userId: number): void {
  if ((statSync(path).mode & 0o004) !== 0) {
    linkOrCopy(path, inside);
    return;
  }
  copyFileSync(path, inside);
  give(inside, userId, 0o400);
}

function linkOrCopy(path: string, inside: string): void {
  try {
    linkSync(realpathSync(path), inside);
  } catch (error) {
    if (errnoCode(error) !== "EXDEV" && errnoCode(error) !== "EPERM") throw error;
    copyFileSync(path, inside);
  }
}

function give(path: string, userId: number, mode: number): void {
  chmodSync(path, mode);
  chownSync(path, userId, userId);
}

/** Without a jail: the same names in the VM's folder. */
export function placeBeside(spec: VmSpec): string {
  clearBeside(spec.folder);
  const links = [
    [fileNames.kernel, spec.kernelPath],
    [fileNames.initrd, spec.initrdPath],
    ...spec.drives.map((drive, index) => [fileNames.drive(index), drive.path] as const),
  ] as const;
  for (const [name, target] of links) symlinkSync(target, join(spec.folder, name));
  for (const name of [fileNames.log, fileNames.metrics])
    writeFileSync(join(spec.folder, name), "", { mode: 0o600 });
  return spec.folder;
}

function clearBeside(folder: string): void {
  const drives = Array.from({ length: 16 }, (_, index) => fileNames.drive(index));
  const { api, vsock, kernel, initrd, log, metrics } = fileNames;
  for (const name of [api, vsock, kernel, initrd, log, metrics, ...drives])
    rmSync(join(folder, name), { force: true });
}

/** See Hypervisor.clear. */
export async function clearPlaces(vmId: string, folder: string, runtimeFolder: string): Promise<void> {
  rmSync(shortcut(runtimeFolder, vmId), { force: true });
  clearBeside(folder);
  const record = readRecord(folder);
  for (const mount of record.mounts)
    if (existsSync(mount) && mountedAt(mount) !== undefined) await run("umount", ["--lazy", mount]);
  for (const { path, uid, gid } of record.owners) if (existsSync(path)) chownSync(path, uid, gid);
  rmSync(jailBase(folder), { recursive: true, force: true });
  rmSync(recordPath(folder), { force: true });
}

function readRecord(folder: string): JailRecord {
  if (!existsSync(recordPath(folder))) return { mounts: [], owners: [] };
  return v.parse(jailRecord, JSON.parse(readFileSync(recordPath(folder), "utf8")));
}
