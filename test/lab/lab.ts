import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable, TestInstallation } from "../support/ember.ts";
import { labRootfs } from "./rootfs.ts";

const root = join(import.meta.dir, "..", "..");

/** Where the sources lie in the guest: the same place as here, for what names it. */
export const guestRoot = "/ember";

/** What tests need of the tree, besides the executable. */
const sources = ["src", "test", "guest/internal", "package.json", "tsconfig.json"];
const modules = ["ssh2", "asn1", "bcrypt-pbkdf", "safer-buffer", "tweetnacl", "valibot", "yaml"];

export interface LabResult {
  readonly status: number;
  readonly output: string;
}

/**
 * A Debian guest with ZFS and device-mapper, booted by the ember under test, with this tree's sources: what this host's
 * kernel cannot do is tried in there.
 */
export class Lab implements AsyncDisposable {
  readonly #ember: TestInstallation;

  private constructor(ember: TestInstallation) {
    this.#ember = ember;
  }

  static async boot(): Promise<Lab> {
    const ember = new TestInstallation();
    try {
      await ember.ok(["init", "--storage", "qcow2"]);
      await ember.ok(["kernel", "pull", "debian"], { timeoutMs: 600_000 });
      const kernel = (await kernelVersion(ember)) ?? "";
      await importImage(ember, await labRootfs(kernel));
      const size = ["--cpus", "2", "--memory", "4G", "--disk-size", "40G"];
      await ember.ok(["vm", "create", "lab", "--image", "lab", ...size], { timeoutMs: 600_000 });
      const lab = new Lab(ember);
      const modprobe = "modprobe -a zfs dm-thin-pool loop xfs btrfs ext4 && udevadm settle";
      const ready = await lab.run(["sh", "-ec", `${modprobe}; mkdir -p /var/tmp/lab`]);
      if (ready.status !== 0) throw new Error(`the lab's modules do not load: ${ready.output}`);
      return lab;
    } catch (error) {
      await ember[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a command in the guest, in the sources' folder; its output is shown as it comes, and returned. */
  run(
    command: readonly string[],
    options: { readonly timeoutMs?: number; readonly onOutput?: (text: string) => void } = {},
  ): Promise<LabResult> {
    return new Promise((resolve, reject) => {
      const args = ["exec", "lab", "--workdir", guestRoot, "--", ...command];
      const child = spawn(executable, args, {
        env: this.#ember.environment,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let output = "";
      const onData = (chunk: Buffer): void => {
        output += chunk.toString();
        options.onOutput?.(chunk.toString());
      };
      child.stdout.on("data", onData);
      child.stderr.on("data", onData);
      const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 600_000);
      child.on("error", reject);
      child.on("close", (code) => {
        clearTimeout(timer);
        resolve({ status: code ?? 137, output });
      });
    });
  }

  /** Brings the tree's sources up to date in a lab that goes on running. */
  async sync(folder = guestRoot): Promise<void> {
    const tar = spawnSync("tar", ["-C", root, "-cf", "-", ...treeOf()], { maxBuffer: 2 ** 30 });
    await this.run(["mkdir", "-p", folder]);
    await this.#ember.ok(["cp", "-", `lab:${folder}`], { input: tar.stdout });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ember.run(["vm", "delete", "--force", "lab"]);
    await this.#ember[Symbol.asyncDispose]();
  }
}

function treeOf(): string[] {
  return [...sources, ...modules.map((name) => join("node_modules", name))];
}

async function kernelVersion(ember: TestInstallation): Promise<string | undefined> {
  const kernels: readonly { readonly version: string }[] = JSON.parse(
    await ember.ok(["kernel", "list", "--format", "json"]),
  );
  return kernels[0]?.version;
}

/** The root file system with the sources and the executable added: quicker than to copy them into the guest. */
async function importImage(ember: TestInstallation, rootfs: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ember-lab-"));
  try {
    const tar = join(folder, "lab.tar");
    copyFileSync(rootfs, tar);
    const strip = `s|^|${guestRoot.slice(1)}/|`;
    const added = spawnSync(
      "tar",
      ["-C", root, "--transform", `flags=rSh;${strip}`, "-rf", tar, ...treeOf(), "dist/ember"],
      { encoding: "utf8" },
    );
    if (added.status !== 0) throw new Error(`tar: ${added.stderr}`);
    await ember.ok(["image", "import", tar, "--name", "lab"], { timeoutMs: 600_000 });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
