import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hypervisor, Machine, VmSpec } from "../../../src/hypervisor/hypervisor.ts";
import { tinyBzImage, tinyKernel } from "../../support/tiny-kernel.ts";

/** What the tiny kernel of these tests prints. */
export const bootText = "tiny kernel runs";

/** A folder name such as state folders may have: 150 bytes, with what an option's syntax could trip over. */
export const awkwardName: string = `it's a "folder", with=all,,that $HOME ${"x".repeat(150)}`.slice(0, 150);

/** A place for the VMs of one test: kernel, disks, folders. Its end kills what the test started. */
export class Workshop implements AsyncDisposable {
  readonly folder: string;
  readonly runtimeFolder: string;
  readonly #hypervisor: Hypervisor;
  readonly #vms = new Map<string, string>();

  constructor(hypervisor: Hypervisor, folderName = "vms") {
    this.#hypervisor = hypervisor;
    const base = mkdtempSync(join(tmpdir(), "ember-hv-"));
    this.folder = join(base, folderName);
    this.runtimeFolder = join(base, "run");
    mkdirSync(this.folder);
    const asBzImage = hypervisor.capabilities().bootFile === "boot-protocol" && process.arch === "x64";
    writeFileSync(join(this.folder, "kernel"), asBzImage ? tinyBzImage(bootText) : tinyKernel(bootText));
    writeFileSync(join(this.folder, "initrd"), Buffer.alloc(512));
  }

  /** A small VM of its own folder and id; `changes` replace parts. */
  spec(changes: Partial<VmSpec> = {}): VmSpec {
    const { accelerators, confinement } = this.#hypervisor.capabilities();
    const vmId = changes.vmId ?? randomBytes(8).toString("hex");
    const folder = join(this.folder, vmId);
    mkdirSync(folder, { recursive: true });
    this.#vms.set(vmId, folder);
    return {
      vmId,
      folder,
      runtimeFolder: this.runtimeFolder,
      accelerator: accelerators.includes("tcg") ? "tcg" : (accelerators[0] ?? "tcg"),
      userId: confinement?.confined === true ? 0x7fff_0000 + this.#vms.size : undefined,
      cpus: 1,
      memoryBytes: 64 * 2 ** 20,
      kernelPath: join(this.folder, "kernel"),
      initrdPath: join(this.folder, "initrd"),
      bootArguments: "",
      drives: [],
      nic: undefined,
      consoleLog: "console.log",
      ...changes,
    };
  }

  /** An empty raw disk, named with the folder's name so that it is as awkward. */
  disk(name = "disk, one.raw"): string {
    const path = join(this.folder, name);
    writeFileSync(path, "");
    truncateSync(path, 2 ** 20);
    return path;
  }

  console(spec: VmSpec): string {
    return readFileSync(join(spec.folder, spec.consoleLog), "utf8");
  }

  find(spec: VmSpec): Machine | undefined {
    return this.#hypervisor.find(spec.vmId, spec.folder, spec.runtimeFolder);
  }

  /** The VM's sockets, in the runtime folder itself or in a folder that it leads to. */
  sockets(spec: VmSpec): string[] {
    return readdirSync(this.runtimeFolder)
      .filter((name) => name.startsWith(spec.vmId))
      .map((name) => join(this.runtimeFolder, name))
      .flatMap((path) =>
        statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path],
      )
      .filter((path) => statSync(path).isSocket());
  }

  /** Processes and sockets that are there now, by VM. Empty when nothing runs. */
  remains(): string[] {
    const processes = [...this.#vms].flatMap(([vmId, folder]) => {
      const machine = this.#hypervisor.find(vmId, folder, this.runtimeFolder);
      return machine === undefined ? [] : [`process ${machine.process.pid}`];
    });
    return [...processes, ...(existsSync(this.runtimeFolder) ? readdirSync(this.runtimeFolder) : [])];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [vmId, folder] of this.#vms) {
      const machine = this.#hypervisor.find(vmId, folder, this.runtimeFolder);
      if (machine !== undefined) await this.#hypervisor.kill(machine);
    }
    rmSync(join(this.runtimeFolder, ".."), { recursive: true, force: true });
  }
}

/** Waits until `ready`, for as long as the test may take. */
export async function until(ready: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await ready())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** The code of the EmberError that `action` throws; what it gave, when it throws none. */
export async function codeOf(action: Promise<unknown>): Promise<unknown> {
  try {
    return `no error: ${JSON.stringify(await action)}`;
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
}
