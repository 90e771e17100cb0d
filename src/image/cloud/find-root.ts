import { EmberError } from "../../errors/ember-error.ts";
import { type GuestArchitecture, hostArchitecture } from "../../guest/binary/architecture.ts";
import { formatSize } from "../../host/sizes.ts";
import { isOtherRoot, type OtherRoot } from "../../types/root.ts";
import type { BlockReader } from "../disk/block-reader.ts";
import { cached } from "../disk/cached-disk.ts";
import { type Partition, partOf } from "../partitions/partition.ts";
import { readPartitions } from "../partitions/read.ts";
import { shown } from "../reference.ts";
import { type Signature, signatureOf } from "./file-systems.ts";
import { lookInside } from "./look-inside.ts";
import { checkWhole } from "./superblocks.ts";

/** The file system that a guest boots from. */
export interface Root {
  /** As a disk of its own; it is disposed of with the disk that it lies on. */
  readonly disk: BlockReader;
  readonly architecture: GuestArchitecture;
}

/** What partitions that hold a root are marked with (Discoverable Partitions Specification). */
const rootTypes: ReadonlyMap<string, GuestArchitecture> = new Map([
  ["4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "amd64"],
  ["b921b045-1df0-41c3-af44-4c6f280d3fae", "arm64"],
]);
/** And those that hold none, for certain: /boot, /home, /srv, /var. */
const partTypes: readonly string[] = [
  "bc13c2ff-59e6-4262-a352-b275fd6f7172",
  "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
  "3b8f8425-20e0-4f3b-907f-1a25a76f98e8",
  "4d21b016-b534-45c2-a9fb-5c16e091fd2d",
];
/** What root file systems, and their partitions, are called: Ubuntu's, Amazon's, and others'. */
const rootLabels: readonly string[] = ["cloudimg-rootfs", "root", "/"];

interface Candidate {
  readonly partition: Partition;
  readonly disk: BlockReader;
  readonly signature: Signature | undefined;
}

/**
 * The root file system on a disk: the partition marked as one, else the one called so, else the largest that holds one.
 * What a mark or a name says is not believed before a look inside, where ember can look: at ext4. So of the others, those come
 * first; XFS and btrfs are taken for the root where nothing larger is. Throws `image-invalid` for a disk without a root or
 * with a damaged partition table, `unsupported` for a root that cannot be booted, saying why and what to do.
 */
export async function findRoot(disk: BlockReader): Promise<Root> {
  const whole = await signatureOf(disk);
  if (whole?.kind === "ISO 9660") throw installer(disk);
  const partitions = await readPartitions(disk);
  if (partitions === undefined) return await rootOnWhole(disk, whole);
  const candidates: Candidate[] = [];
  for (const partition of partitions) {
    const part = partOf(disk, partition);
    candidates.push({ partition, disk: part, signature: await signatureOf(part) });
  }
  let failure: { readonly error: unknown; readonly sizeBytes: number } | undefined;
  for (const candidate of candidates.toSorted(likelyFirst)) {
    const isNamed = rank(candidate) < others;
    if (isNamed && candidate.signature?.refusal !== undefined) throw refused(disk, candidate);
    if (!isNamed && candidate.signature?.kind !== "ext4") continue;
    try {
      const root = await rootOn(candidate);
      if (root !== undefined) return root;
    } catch (error) {
      if (isNamed) throw error;
      failure ??= { error, sizeBytes: candidate.partition.sizeBytes }; // another may be the root
    }
  }
  const unseen = largestUnseen(candidates);
  if (failure !== undefined && failure.sizeBytes > (unseen?.partition.sizeBytes ?? 0)) throw failure.error;
  if (unseen?.signature?.refusal !== undefined) throw refused(disk, unseen);
  const root = unseen === undefined ? undefined : await rootOn(unseen);
  if (root !== undefined) return root;
  throw noRoot(disk, candidates);
}

/** The largest of those that a root may be on and that ember cannot look into, or that guests cannot boot from. */
function largestUnseen(candidates: readonly Candidate[]): Candidate | undefined {
  return candidates
    .filter(
      ({ partition, signature }) =>
        !partTypes.includes(partition.type) &&
        (otherRootOf(signature) !== undefined || signature?.refusal !== undefined),
    )
    .toSorted((one, other) => other.partition.sizeBytes - one.partition.sizeBytes)[0];
}

function otherRootOf(signature: Signature | undefined): OtherRoot | undefined {
  const kind = signature?.kind;
  return isOtherRoot(kind) ? kind : undefined;
}

const others = 2;

function rank({ partition, signature }: Candidate): number {
  if (rootTypes.has(partition.type)) return 0;
  const names = [signature?.label, partition.name].map((name) => name?.toLowerCase() ?? "");
  return names.some((name) => rootLabels.includes(name)) ? 1 : others;
}

function likelyFirst(one: Candidate, other: Candidate): number {
  return rank(one) - rank(other) || other.partition.sizeBytes - one.partition.sizeBytes;
}

async function rootOnWhole(disk: BlockReader, signature: Signature | undefined): Promise<Root> {
  const root = await rootOn({ disk, signature });
  if (root !== undefined) return root;
  if (signature?.refusal !== undefined) throw refusedAs(disk, signature.kind, signature.refusal, "");
  throw new EmberError("image-invalid", `there is no root file system in '${shown(disk.name)}'`, {
    hint: "give a disk with a partition table, or an ext4, XFS or btrfs file system, that an operating system is on",
  });
}

interface Place extends Pick<Candidate, "disk" | "signature"> {
  /** Undefined for a disk as a whole. */
  readonly partition?: Partition;
}

/** Undefined when no root is there, as far as ember can see. */
async function rootOn({ disk, signature, partition }: Place): Promise<Root | undefined> {
  const other = otherRootOf(signature);
  if (other !== undefined) {
    await checkWhole(disk, other, partition === undefined ? "" : `, partition ${partition.number},`);
    return { disk, architecture: rootTypes.get(partition?.type ?? "") ?? hostArchitecture() };
  }
  if (signature?.kind !== "ext4") return undefined;
  const facts = await lookInside(cached(disk));
  if (facts === undefined) return undefined;
  const { architecture } = facts;
  if (architecture !== undefined) return { disk, architecture };
  throw new EmberError(
    "unsupported",
    `the programs in '${shown(disk.name)}' are for neither amd64 nor arm64`,
    {
      hint: "get the image for the architecture of this host",
    },
  );
}

function noRoot(disk: BlockReader, candidates: readonly Candidate[]): EmberError {
  const found = candidates
    .slice(0, 8)
    .map(
      ({ partition, signature }) =>
        `${partition.number}: ${signature?.kind ?? "unknown"}, ${formatSize(partition.sizeBytes)}`,
    );
  return new EmberError(
    "image-invalid",
    `no partition of '${shown(disk.name)}' holds a root file system (${found.join("; ") || "it has none"})`,
    { hint: "a root is an XFS, a btrfs, or an ext4 file system with /etc, and with /usr or /sbin/init" },
  );
}

function refused(disk: BlockReader, { partition, signature }: Candidate): EmberError {
  const { kind = "unknown", refusal = { why: "it is not known", remedy: "" } } = signature ?? {};
  return refusedAs(disk, kind, refusal, `, partition ${partition.number},`);
}

function refusedAs(
  disk: BlockReader,
  kind: string,
  { why, remedy }: NonNullable<Signature["refusal"]>,
  where: string,
): EmberError {
  const message = `the root of '${shown(disk.name)}'${where} is on ${kind}, which guests cannot boot from: ${why}`;
  return new EmberError("unsupported", message, { hint: remedy });
}

function installer(disk: BlockReader): EmberError {
  return new EmberError(
    "unsupported",
    `'${shown(disk.name)}' is a CD or DVD, which systems are installed from`,
    {
      hint: "get the cloud image of the same system instead: qcow2 or raw",
    },
  );
}
