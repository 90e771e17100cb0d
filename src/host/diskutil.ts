import { run } from "./run.ts";

/** What macOS says of the volume that a folder is on. */
export interface Volume {
  /** "apfs", "hfs", "exfat", "smbfs"...; "unknown" when it does not say. */
  readonly fileSystem: string;
  readonly mountPoint: string;
  readonly name: string;
}

/**
 * The volume of an existing folder. `diskutil` knows of mount points and devices alone, so `df` names that first; a
 * volume of the network is unknown to it. Throws `tool-failed`, `timeout`.
 */
export async function volumeOf(folder: string): Promise<Volume> {
  const { stdout } = await run("/bin/df", ["-P", "--", folder], { timeoutMs: 10_000 });
  const mountPoint = mountPointIn(stdout);
  const { stdout: plist } = await run("/usr/sbin/diskutil", ["info", "-plist", mountPoint], {
    okStatuses: [0, 1], // 1: no disk of its own
    timeoutMs: 30_000,
  });
  return {
    fileSystem: plistText(plist, "FilesystemType") ?? "unknown",
    mountPoint,
    name: plistText(plist, "VolumeName") ?? "",
  };
}

/** The last column of `df -P`, which may hold spaces: it begins after the percentage. */
function mountPointIn(table: string): string {
  return /%\s+(\/.*)$/m.exec(table.split("\n").slice(1).join("\n"))?.[1] ?? "/";
}

/** The text of a key at the outermost level of a property list; `diskutil` writes one line for each. */
export function plistText(plist: string, key: string): string | undefined {
  const found = new RegExp(`<key>${key}</key>\\s*<string>([^<]*)</string>`).exec(plist)?.[1];
  return found?.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
