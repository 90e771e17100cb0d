import type { FileChange, SnapshotSummary, StorageEfficiency, StorageReport, TreeNode } from "../../types.ts";

const mib = 1024 ** 2;
const gib = 1024 ** 3;

export const sampleSnapshot = (changes: Partial<SnapshotSummary> = {}): SnapshotSummary => ({
  id: "00112233445566",
  vm: "web",
  name: "clean",
  diskBytes: 8 * gib,
  vmStatus: "running",
  createdAt: "2026-03-01T11:00:00Z",
  ...changes,
});

export const sampleChanges: readonly FileChange[] = [
  { change: "added", path: "/etc/new", type: "file", aspects: [], sizeBefore: null, sizeAfter: 12 },
  {
    change: "modified",
    path: "/etc/passwd",
    type: "file",
    aspects: ["content", "mode"],
    sizeBefore: 100,
    sizeAfter: 120,
  },
  {
    change: "removed",
    path: "/srv/\u001b[2Jold",
    type: "directory",
    aspects: [],
    sizeBefore: null,
    sizeAfter: null,
  },
];

export const sampleReport: StorageReport = {
  storage: "reflink",
  path: "/var/lib/ember/storage",
  pool: { capacityBytes: 100 * gib, usedBytes: 25 * gib, freeBytes: 75 * gib, reservedBytes: 70 * mib },
  disks: [
    {
      kind: "image",
      name: "docker.io/library/nginx:latest",
      provisionedBytes: 2 * gib,
      referencedBytes: 190 * mib,
      exclusiveBytes: 0,
      sharedBytes: 190 * mib,
      logicalBytes: 380 * mib,
      compressionRatio: 2,
      freesBytes: 0,
    },
    {
      kind: "vm",
      name: "web",
      provisionedBytes: 8 * gib,
      referencedBytes: 240 * mib,
      exclusiveBytes: 50 * mib,
      sharedBytes: 190 * mib,
      logicalBytes: 400 * mib,
      compressionRatio: 400 / 240,
      freesBytes: 60 * mib,
    },
    {
      kind: "snapshot",
      name: "web/clean",
      provisionedBytes: 8 * gib,
      referencedBytes: null,
      exclusiveBytes: null,
      sharedBytes: null,
      logicalBytes: null,
      compressionRatio: null,
      freesBytes: null,
    },
  ],
};

export const sampleEfficiency: StorageEfficiency = {
  images: { count: 1, logicalBytes: 380 * mib },
  vms: { count: 1, logicalBytes: 400 * mib },
  snapshots: { count: 0, logicalBytes: 0 },
  logicalBytes: 780 * mib,
  actualBytes: 240 * mib,
  ratio: 3.25,
};

export const sampleTree: TreeNode = {
  kind: "image",
  name: "docker.io/library/nginx:latest",
  status: null,
  exclusiveBytes: 0,
  children: [
    {
      kind: "vm",
      name: "web",
      status: "running",
      exclusiveBytes: 50 * mib,
      children: [
        { kind: "snapshot", name: "clean", status: null, exclusiveBytes: null, children: [] },
        { kind: "vm", name: "web-test", status: "stopped", exclusiveBytes: 4096, children: [] },
      ],
    },
    { kind: "vm", name: "db", status: "created", exclusiveBytes: 0, children: [] },
  ],
};
