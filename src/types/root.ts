/** Roots that not every guest has the driver of. */
export const otherRoots = ["xfs", "btrfs"] as const;

export type OtherRoot = (typeof otherRoots)[number];

/** What a guest's root may lie on. "ext4" stands for ext2 and ext3 as well: guests mount all three by one driver. */
export type RootFileSystem = "ext4" | OtherRoot;

export function isOtherRoot(kind: string | undefined): kind is OtherRoot {
  return otherRoots.some((other) => other === kind);
}
