import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable, type TestInstallation } from "../support/ember.ts";
import { labRootfs } from "./rootfs.ts";
import { appendTree, executableStamp, listSources, packTree } from "./tree.ts";

/** Where the tree lies in a guest that was just booted. */
export const guestRoot = "/ember";

/** What is tested in the guest, as EMBER_REQUIRE names it. */
export const guestRequirements = "zfs,dm-thin,xfs,btrfs,root,mount,cgroup2";

export interface GuestResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface GuestCommand {
  /** Default: the tree that the guest was booted with. */
  readonly folder?: string;
  readonly timeoutMs?: number;
  /** Takes what the command prints as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** A Debian VM with ZFS and device-mapper and this tree, in an installation of the ember under test. */
export class LabGuest {
  readonly #ember: Pick<TestInstallation, "ok" | "environment">;

  constructor(ember: Pick<TestInstallation, "ok" | "environment">) {
    this.#ember = ember;
  }

  /** In a new installation. Post-condition: the guest runs, and its kernel has all modules that storages need. */
  async boot(): Promise<void> {
    await this.#ember.ok(["init", "--storage", "qcow2"]);
    await this.#ember.ok(["kernel", "pull", "debian"], { timeoutMs: 600_000 });
    await this.#importImage(await labRootfs(await this.#kernelVersion()));
    const size = ["--cpus", "2", "--memory", "6G", "--disk-size", "40G"];
    await this.#ember.ok(["vm", "create", "lab", "--image", "lab", ...size], { timeoutMs: 600_000 });
    // Pools in memory: what they flush to an emulated disk takes most of the time otherwise.
    const prepare = `modprobe -a zfs dm-thin-pool loop xfs btrfs ext4
      mount -t tmpfs -o size=3G,mode=1777 tmpfs /tmp
      udevadm settle`;
    const { status, stderr } = await this.run(["sh", "-ec", prepare], { folder: "/" });
    if (status !== 0) throw new Error(`the lab's guest is not ready: ${stderr}`);
  }

  /** Runs a command in the guest; one that takes too long is killed there, and ends with 124. */
  run(command: readonly string[], options: GuestCommand = {}): Promise<GuestResult> {
    const timeoutMs = options.timeoutMs ?? 600_000;
    const limits = ["timeout", "--kill-after=10", String(Math.ceil(timeoutMs / 1000))];
    const variables = ["HOME=/root", `EMBER_REQUIRE=${guestRequirements}`].flatMap((set) => ["--env", set]);
    const args = ["exec", "lab", "--workdir", options.folder ?? guestRoot, ...variables, "--"];
    return new Promise((resolve, reject) => {
      const child = spawn(executable, [...args, ...limits, ...command], {
        env: this.#ember.environment,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let stdout = "";
      let stderr = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        stdout += text;
        options.onOutput?.(text);
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text;
        options.onOutput?.(text);
      });
      const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs + 60_000); // the guest itself hangs
      child.on("error", reject);
      child.on("close", (code) => {
        clearTimeout(timer);
        resolve({ status: code ?? 137, stdout, stderr });
      });
    });
  }

  /**
   * Brings a folder of the guest up to date with the tree: files are replaced one by one, and sources that are no longer
   * in the tree removed. The executable takes a minute: only on demand. Returns whether the guest's is the tree's.
   */
  async sync(folder: string, options: { readonly executable: boolean }): Promise<boolean> {
    const stamp = executableStamp();
    const known = await this.#shell('mkdir -p "$0/dist"; cat "$0/dist/stamp" 2>/dev/null || true', [folder]);
    const withExecutable = options.executable && stamp !== undefined && stamp !== known;
    const input = packTree({ executable: withExecutable });
    await this.#ember.ok(["cp", "-", `lab:${folder}`], { input });
    const tidy = `cd "$0"; printf %s "$1" > dist/sources; printf %s "$2" > dist/stamp
      find src test -type f | LC_ALL=C sort | LC_ALL=C comm -23 - dist/sources | xargs -r -d '\\n' rm -f --`;
    await this.#shell(tidy, [folder, listSources(), withExecutable ? stamp : known]);
    return withExecutable || stamp === known;
  }

  async #shell(script: string, args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(["sh", "-ec", script, ...args], { folder: "/" });
    if (status !== 0) throw new Error(`the lab: ${stderr}`);
    return stdout;
  }

  async #kernelVersion(): Promise<string> {
    const [kernel]: readonly { readonly version: string }[] = JSON.parse(
      await this.#ember.ok(["kernel", "list", "--format", "json"]),
    );
    if (kernel === undefined) throw new Error("there is no kernel");
    return kernel.version;
  }

  /** The root file system with the tree added: quicker than to copy it into the guest. */
  async #importImage(rootfs: string): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), "ember-lab-"));
    try {
      const tar = join(folder, "lab.tar");
      copyFileSync(rootfs, tar);
      appendTree(tar, guestRoot, executable);
      await this.#ember.ok(["image", "import", tar, "--name", "lab"], { timeoutMs: 600_000 });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}
