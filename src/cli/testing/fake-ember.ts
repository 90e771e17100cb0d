import type {
  EmberApi,
  Forwarding,
  ImageApi,
  KernelApi,
  NetworkApi,
  SnapshotApi,
  StorageApi,
  VmApi,
  VmHandle,
} from "../../api.ts";
import { EmberError } from "../../errors/ember-error.ts";
import { sampleAudit, sampleNetworkStatus, sampleResolver } from "./network-samples.ts";
import { sampleEvent, sampleImage, sampleInfo, sampleKernel, sampleStats, sampleVm } from "./samples.ts";
import {
  sampleChanges,
  sampleEfficiency,
  sampleReport,
  sampleSnapshot,
  sampleTree,
} from "./storage-samples.ts";

export interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
}

type Parts = "network" | "vms" | "images" | "kernels" | "snapshots" | "storage";

export interface FakeParts {
  readonly vms?: Partial<VmApi>;
  readonly images?: Partial<ImageApi>;
  readonly kernels?: Partial<KernelApi>;
  readonly snapshots?: Partial<SnapshotApi>;
  readonly storage?: Partial<StorageApi>;
  readonly network?: Partial<NetworkApi>;
  readonly installation?: Partial<Omit<EmberApi, Parts>>;
}

/** An installation without anything behind it: it notes what is asked of it, and answers with samples. */
export function fakeEmber(parts: FakeParts = {}): { ember: EmberApi; calls: Call[] } {
  const calls: Call[] = [];
  const recorded = <T extends object>(prefix: string, target: T): T =>
    new Proxy(target, {
      get(object, key, receiver) {
        const found: unknown = Reflect.get(object, key, receiver);
        if (typeof found !== "function") return found;
        return (...args: unknown[]): unknown => {
          calls.push({ method: `${prefix}${key === Symbol.asyncDispose ? "close" : String(key)}`, args });
          return Reflect.apply(found, object, args);
        };
      },
    });
  const handle = (name: string): VmHandle => recorded("handle.", fakeHandle(name));
  const ember: EmberApi = {
    ...fakeInstallation,
    ...parts.installation,
    vms: recorded("vms.", { ...fakeVms(handle), ...parts.vms }),
    images: recorded("images.", { ...fakeImages, ...parts.images }),
    kernels: recorded("kernels.", { ...fakeKernels, ...parts.kernels }),
    snapshots: recorded("snapshots.", { ...fakeSnapshots, ...parts.snapshots }),
    network: recorded("network.", { ...fakeNetwork, ...parts.network }),
    storage: recorded("storage.", { ...fakeStorage, ...parts.storage }),
  };
  return { ember: recorded("", ember), calls };
}

const nothing = async (): Promise<void> => undefined;

function fakeHandle(name: string): VmHandle {
  return {
    id: "0123456789abcdef",
    name,
    inspect: async () => sampleVm({ name }),
    start: nothing,
    stop: nothing,
    pause: nothing,
    resume: nothing,
    delete: nothing,
    fork: async (options) => fakeHandle(options.name),
    exec: async () => ({ exitStatus: 0, stdout: "", stderr: "" }),
    copyIn: nothing,
    copyOut: nothing,
    [Symbol.asyncDispose]: nothing,
  };
}

function fakeVms(handle: (name: string) => VmHandle): VmApi {
  return {
    create: async (options) => handle(options.name),
    get: async (name) => handle(name),
    list: async () => [sampleVm()],
    inspect: async (name) => {
      if (name === "nope")
        throw new EmberError("vm-not-found", `there is no VM '${name}'`, { hint: "see: ember vm list" });
      return sampleVm({ name });
    },
    start: nothing,
    stop: nothing,
    restart: nothing,
    pause: nothing,
    resume: nothing,
    delete: nothing,
    fork: async (_source, options) => handle(options.name),
    push: async (_name, { reference }) => ({ reference, digest: `sha256:${"0".repeat(64)}` }),
    resize: nothing,
    tree: async () => [sampleTree],
    update: nothing,
    publish: async (_name, ports) => ports,
    unpublish: async () => [],
    wait: nothing,
    stats: async () => [sampleStats()],
    async *logs() {
      yield "first line\n";
      yield "second line\n";
    },
    exec: async () => ({ exitStatus: 0, stdout: "", stderr: "", pid: 77 }),
    shell: async () => ({ exitStatus: 0, stdout: "", stderr: "" }),
    copyIn: nothing,
    copyOut: nothing,
    extractTar: nothing,
    createTar: nothing,
    forward: async (_name, ports): Promise<Forwarding> => ({
      ports,
      closed: new Promise(() => undefined),
      [Symbol.asyncDispose]: nothing,
    }),
    sshConfig: async () => "Host web\n",
    proxy: nothing,
  };
}

const fakeImages: ImageApi = {
  pull: async ({ reference, name }) => sampleImage({ name: name ?? reference }),
  push: async (_name, { reference }) => ({ reference, digest: `sha256:${"0".repeat(64)}` }),
  bootstrap: async (distribution, options) => sampleImage({ name: options?.name ?? distribution }),
  import: async (_file, { name }) => sampleImage({ name }),
  build: async (_context, { name }) => sampleImage({ name }),
  list: async () => [sampleImage()],
  inspect: async (name) => sampleImage({ name }),
  delete: nothing,
  prune: async () => ({ images: ["nginx"], layers: 7, freedBytes: 3 * 1024 ** 2 }),
};

const fakeKernels: KernelApi = {
  list: async () => [sampleKernel()],
  pull: async (preset) => sampleKernel({ name: preset }),
  import: async (_file, options) => sampleKernel({ name: options?.name ?? "vmlinux" }),
  build: async (options) => {
    const kernel = sampleKernel({ name: options?.name ?? "microvm-6.1.1", version: "6.1.1" });
    const { version, architecture, format, hypervisors } = kernel;
    const path = options?.output ?? null;
    return { kernel: path === null ? kernel : null, path, version, architecture, format, hypervisors };
  },
  setDefault: nothing,
  delete: nothing,
};

const fakeSnapshots: SnapshotApi = {
  create: async (vm, name) => sampleSnapshot({ vm, name: name ?? "20260301-120000" }),
  list: async () => [sampleSnapshot()],
  restore: nothing,
  delete: nothing,
  diff: async () => sampleChanges,
};

const fakeStorage: StorageApi = {
  usage: async () => sampleReport,
  efficiency: async () => sampleEfficiency,
  grow: nothing,
  trim: async () => [
    { vm: "web", trimmed: true, trimmedBytes: 3 * 1024 ** 2 },
    { vm: "db", trimmed: false, trimmedBytes: 0 },
  ],
};

const fakeNetwork: NetworkApi = {
  audit: async (vm) => sampleAudit(vm),
  forget: nothing,
  status: async () => sampleNetworkStatus,
  hostResolver: async () => sampleResolver(null),
  answerHost: async (port) => sampleResolver(port),
};

const fakeInstallation: Omit<EmberApi, Parts> = {
  init: async () => sampleInfo,
  deinit: nothing,
  info: async () => sampleInfo,
  doctor: async () => [
    { name: "KVM", status: "ok", detail: "guests run", why: "speed", remedy: null },
    {
      name: "skopeo",
      status: "warning",
      detail: "not installed",
      why: "pulls images",
      remedy: "apt-get install skopeo",
    },
  ],
  reconcile: async () => ({ finished: [], undone: [], stopped: [], removed: [] }),
  prune: async () => ({ images: ["old"], kernels: [], cacheFiles: 3, freedBytes: 5 * 1024 ** 2 }),
  async *events() {
    yield sampleEvent;
  },
  [Symbol.asyncDispose]: nothing,
};
