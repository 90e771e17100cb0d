import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "../../../../test/support/require.ts";
import { run } from "../../../host/run.ts";
import { lookUpTool } from "../../../host/tools.ts";

const hasCheck = lookUpTool("e2fsck") !== undefined;

/** Tests that check disks with e2fsck cannot run. */
export const noCheck: boolean = skipUnless(
  "e2fsck",
  hasCheck,
  "checks of ext4 disks: e2fsck is not installed",
);

/** Tests that mount disks and read them cannot run. */
export const noMounts: boolean =
  noCheck ||
  skipUnless("root", process.getuid?.() === 0, "ext4 disks are not mounted: only root can do that") ||
  skipUnless(
    "getfattr",
    lookUpTool("getfattr") !== undefined,
    "ext4 disks are not read: getfattr is not installed",
  );

/** A folder for disks that is gone after the test. */
export function scratchFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "ember-ext4-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Throws what e2fsck complains about, unless the disk is clean. */
export async function checkDisk(disk: string): Promise<void> {
  const { status, stdout } = await run("e2fsck", ["-fn", disk], {
    okStatuses: Array.from({ length: 256 }, (_, each) => each),
    timeoutMs: 600_000,
  });
  if (status !== 0) throw new Error(`e2fsck ended with ${status}: ${stdout.slice(0, 4000)}`);
}

/** Hands a mounted disk to `use`, and unmounts it whatever happens. */
export async function withMounted<T>(
  disk: string,
  mode: "ro" | "rw",
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "ember-mounted-"));
  mkdirSync(join(folder, "m"));
  try {
    await run("mount", ["-t", "ext4", "-o", `loop,${mode}`, disk, join(folder, "m")]);
    try {
      return await use(join(folder, "m"));
    } finally {
      await run("umount", ["--", join(folder, "m")]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The value of a field of `dumpe2fs -h`. */
export async function superblockField(disk: string, field: string): Promise<string> {
  const { stdout } = await run("dumpe2fs", ["-h", disk]);
  const line = stdout.split("\n").find((each) => each.startsWith(`${field}:`));
  return line?.slice(field.length + 1).trim() ?? "";
}
