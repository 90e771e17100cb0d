import type {
  EmberEvent,
  ImageDetails,
  InstallationInfo,
  KernelSummary,
  VmDetails,
  VmStats,
} from "../../types.ts";

/** The moment at which tests happen. */
export const nowMs: number = Date.parse("2026-03-01T12:00:00Z");

export const sampleVm = (changes: Partial<VmDetails> = {}): VmDetails => ({
  id: "0123456789abcdef",
  name: "web",
  status: "running",
  image: "docker.io/library/nginx:latest",
  cpus: 1,
  memoryBytes: 512 * 1024 ** 2,
  diskBytes: 8 * 1024 ** 3,
  createdAt: "2026-03-01T10:00:00Z",
  startedAt: "2026-03-01T10:00:01Z",
  forkedFrom: null,
  hypervisor: "qemu",
  storage: "reflink",
  network: {
    mode: "default",
    guestIp: "10.100.0.2",
    hostIp: "10.100.0.1",
    mac: "02:00:00:00:00:01",
    egress: "all",
    ports: [{ protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8080, guestPort: 80 }],
  },
  pid: 4242,
  kernel: "debian",
  bootArguments: "quiet",
  command: ["nginx", "-g", "daemon off;"],
  environment: { MODE: "test" },
  user: "root",
  accelerator: "tcg",
  diskPath: "/state/vms/web/disk.raw",
  consoleLog: "/state/vms/web/console.log",
  lastError: null,
  ...changes,
});

export const sampleImage = (changes: Partial<ImageDetails> = {}): ImageDetails => ({
  id: "fedcba9876543210",
  name: "docker.io/library/nginx:latest",
  digest: `sha256:${"ab".repeat(32)}`,
  architecture: "amd64",
  diskBytes: 2 * 1024 ** 3,
  usedBytes: 190 * 1024 ** 2,
  createdAt: "2026-02-27T12:00:00Z",
  lastUsedAt: null,
  source: "docker.io/library/nginx:latest",
  config: {
    entrypoint: ["/entry.sh"],
    command: ["nginx", "-g", "daemon off;"],
    environment: ["PATH=/usr/bin:/bin", "NGINX=1.2"],
    user: "web",
    workdir: "/srv",
    stopSignal: "SIGQUIT",
    exposedPorts: ["80/tcp"],
    labels: { maintainer: "someone" },
  },
  vms: ["web"],
  ...changes,
});

export const sampleKernel = (changes: Partial<KernelSummary> = {}): KernelSummary => ({
  name: "debian",
  version: "6.1.0-32-cloud-amd64",
  architecture: "amd64",
  format: "bzImage",
  hypervisors: ["qemu", "firecracker"],
  source: "deb.debian.org",
  isDefault: true,
  sizeBytes: 8 * 1024 ** 2,
  createdAt: "2026-02-01T12:00:00Z",
  ...changes,
});

export const sampleStats = (changes: Partial<VmStats> = {}): VmStats => ({
  name: "web",
  status: "running",
  cpuSeconds: 12.34,
  hostMemoryBytes: 300 * 1024 ** 2,
  io: null,
  guest: {
    loadAverage: 0.5,
    memoryTotalBytes: 512 * 1024 ** 2,
    memoryAvailableBytes: 400 * 1024 ** 2,
    diskTotalBytes: 8 * 1024 ** 3,
    diskUsedBytes: 1024 ** 3,
    receivedBytes: 2048,
    sentBytes: 1024,
    processes: 12,
  },
  ...changes,
});

export const sampleInfo: InstallationInfo = {
  version: "0.1.0",
  platform: "linux",
  architecture: "amd64",
  initialized: true,
  installationId: "0123abcd",
  confinement: null,
  containment: null,
  stateDir: "/state",
  runtimeDir: "/run/ember",
  hypervisor: "qemu",
  hypervisorVersion: "7.2.22",
  accelerator: "tcg",
  acceleratorReason: "a guest did not run under KVM",
  storage: "reflink",
  storagePath: "/state/disks",
  capacity: { totalBytes: 100 * 1024 ** 3, usedBytes: 40 * 1024 ** 3, freeBytes: 60 * 1024 ** 3 },
  network: "user",
  subnet: "10.100.0.0/16",
  defaultKernel: "debian",
  vms: 2,
  running: 1,
  images: 1,
  notes: [
    "guests reach this host's loopback address at 10.0.2.2, which the contract forbids; a later driver closes it",
  ],
};

export const sampleEvent: EmberEvent = {
  id: 7,
  at: "2026-03-01T11:59:00.000Z",
  kind: "vm.created",
  subject: "web",
  detail: { image: "nginx", cpus: 1 },
};
