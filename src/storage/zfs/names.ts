import { EmberError } from "../../errors/ember-error.ts";
import { checkedId } from "../layout.ts";
import type { ImageDisk, SnapshotDisk, StorageConfig, VmDisk } from "../storage.ts";

/** The datasets of a storage. What lies in them is told by names alone, the same after every reboot and kill. */
export interface Names {
  readonly pool: string;
  /** Ember's own dataset; nothing outside it is ever changed. */
  readonly root: string;
  /** `<image>`, each with a snapshot `@base` that disks are cloned from. */
  readonly images: string;
  /** `<vm>`: the disk as it is now. */
  readonly vms: string;
  /** `<vm>-<8 hex digits>`: what a restore put aside, as far as it holds snapshots; its own content is emptied. */
  readonly history: string;
  /** What a command is making or reading; see scratch.ts for the names. */
  readonly scratch: string;
}

export const defaultName = "ember";

/** What says that a dataset is ember's, and which installation's. */
export const ownerProperty = "org.ember:storage";
/** On a VM's volume: its id, set last, so that a volume without it is half-made. */
export const diskProperty = "org.ember:disk";
/** On a VM's volume: some of its snapshots may lie on other VMs' volumes now. */
export const detachedProperty = "org.ember:detached";

const component = /^[A-Za-z0-9_][A-Za-z0-9_.:-]*$/;
const largestRoot = 100; // names in it take up to 150 more, and 255 is the most

/** Throws `invalid-name` for names that ZFS would not take. */
export function namesOf(config: Pick<StorageConfig, "pool" | "dataset">): Names {
  const pool = config.pool ?? defaultName;
  const dataset = config.dataset ?? defaultName;
  if (!/^[A-Za-z][A-Za-z0-9_.:-]*$/.test(pool) || /^(mirror|raidz|draid|spare|log|c[0-9])/.test(pool)) {
    throw new EmberError("invalid-name", `'${pool.slice(0, 80)}' cannot be the name of a pool`, {
      hint: "a pool's name begins with a letter; letters, digits and _ . : - may follow",
    });
  }
  const root = `${pool}/${dataset}`;
  if (!dataset.split("/").every((part) => component.test(part)) || root.length > largestRoot) {
    throw new EmberError("invalid-name", `'${dataset.slice(0, 80)}' cannot be the name of a dataset`, {
      hint: "letters, digits and _ . : - between slashes, at most 100 characters together with the pool's",
    });
  }
  return {
    pool,
    root,
    images: `${root}/images`,
    vms: `${root}/vms`,
    history: `${root}/history`,
    scratch: `${root}/scratch`,
  };
}

export const imageName = (names: Names, image: ImageDisk): string =>
  `${names.images}/${checkedId(image.imageId)}`;

export const baseName = (names: Names, image: ImageDisk): string => `${imageName(names, image)}@base`;

export const vmName = (names: Names, vm: VmDisk): string => `${names.vms}/${checkedId(vm.vmId)}`;

/** Carries the VM's id, since a promotion may move it to another VM's volume. */
export const snapshotLabel = (snapshot: SnapshotDisk): string =>
  `snap-${checkedId(snapshot.vmId)}-${checkedId(snapshot.snapshotId)}`;

const labelForm = /@snap-([0-9a-f]{8,32})-([0-9a-f]{8,32})$/;

/** Whose snapshot it is, wherever it lies; undefined for ember's own ones. */
export function readSnapshotName(name: string): SnapshotDisk | undefined {
  const parts = labelForm.exec(name);
  return parts === null ? undefined : { vmId: parts[1] ?? "", snapshotId: parts[2] ?? "" };
}

/** The VM whose volume or put-aside volume it is, snapshots of it included. */
export function vmIdOfName(names: Names, name: string): string | undefined {
  const volume = volumeOf(name);
  for (const [folder, form] of [
    [names.vms, /^([0-9a-f]{8,32})$/],
    [names.history, /^([0-9a-f]{8,32})-[0-9a-f]{8}$/],
  ] as const) {
    if (volume.startsWith(`${folder}/`)) return form.exec(volume.slice(folder.length + 1))?.[1];
  }
  return undefined;
}

/** The volume of a snapshot; a volume's own name as it is. */
export function volumeOf(name: string): string {
  return name.split("@", 1)[0] ?? name;
}

export function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

const blockBytes = 16_384;

/** Of every volume: smaller ones compress worse, larger ones amplify the 4 KiB writes of guests. */
export const volumeBlockBytes: number = blockBytes;

/** A volume is a whole number of blocks; the few sectors more do no harm. */
export function volumeBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / blockBytes) * blockBytes;
}
