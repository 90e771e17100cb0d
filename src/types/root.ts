/** What a guest's root may lie on. "ext4" stands for ext2 and ext3 as well: guests mount all three by one driver. */
export type RootFileSystem = "ext4" | OtherRoot;

/** Those that not every guest has the driver of. */
export type OtherRoot = "xfs" | "btrfs";
