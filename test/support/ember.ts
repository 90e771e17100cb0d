import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { onPlatform } from "./platform.ts";

const root = join(import.meta.dir, "..", "..");
/** The executable under test: what users run. */
export const executable: string = process.env["EMBER_EXECUTABLE"] ?? join(root, "dist", "ember");

/** Downloads that are the same for every test, kept between runs (kernels, package lists). */
export const sharedCache: string = join(
  process.env["EMBER_BUILD_CACHE"] ?? join(homedir(), ".cache", "ember-build"),
  "downloads",
);

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  readonly cwd?: string;
  /** Ends the command with this signal when its standard error, or the file system, says it is time. */
  readonly killWhen?: { readonly signal: NodeJS.Signals; readonly after: () => boolean };
}

/** An installation of a test's own, removed at its end with everything that it left on the host. */
export class TestInstallation implements AsyncDisposable {
  readonly stateDir: string;
  readonly #home: string;
  readonly #toolFolder: string | undefined;
  /** Ids that `init` gave: what is left on the host's network carries them. */
  readonly #ids: string[] = [];

  readonly #namespace: string | undefined;

  /** `toolFolder` comes first in PATH; commands run in the network namespace `namespace`. */
  constructor(
    options: {
      readonly folderName?: string;
      readonly toolFolder?: string | undefined;
      readonly namespace?: string | undefined;
    } = {},
  ) {
    this.#toolFolder = options.toolFolder;
    this.#namespace = options.namespace;
    this.#home = mkdtempSync(join(tmpdir(), "ember-e2e-"));
    this.stateDir = join(this.#home, options.folderName ?? "state");
    mkdirSync(sharedCache, { recursive: true });
  }

  /** Runs `ember ARGS...` to its end, whatever its status. */
  run(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const env = { ...this.environment, ...options.env };
    if (this.#namespace === undefined) return runCommand(executable, args, { ...options, env });
    return runCommand("ip", ["netns", "exec", this.#namespace, executable, ...args], { ...options, env });
  }

  /** Fetches the kernel that VMs boot, from where there is a network. */
  async pullKernel(): Promise<void> {
    const result = await runCommand(executable, ["kernel", "pull", "debian"], { env: this.environment });
    if (result.status !== 0) throw new Error(`the kernel was not pulled: ${result.stderr}`);
  }

  /** Runs `ember ARGS...`, which must succeed; returns its standard output without the last line end. */
  async ok(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    const result = await this.run(args, options);
    if (args[0] === "init") await this.#noteId();
    if (result.status !== 0) {
      throw new Error(
        `ember ${args.join(" ")} ended with ${result.status}: ${result.stderr}${result.stdout}`,
      );
    }
    return result.stdout.replace(/\n$/, "");
  }

  /** Runs `ember ARGS... --format json` and parses the result. */
  async json(args: readonly string[]): Promise<unknown> {
    const at = args.indexOf("--");
    const all =
      at === -1
        ? [...args, "--format", "json"]
        : [...args.slice(0, at), "--format", "json", ...args.slice(at)];
    return JSON.parse(await this.ok(all));
  }

  get environment(): Record<string, string> {
    return {
      PATH: [this.#toolFolder, process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin"]
        .filter((folder) => folder !== undefined)
        .join(":"),
      HOME: this.#home,
      EMBER_STATE_DIR: this.stateDir,
      EMBER_CACHE_DIR: sharedCache,
    };
  }

  /** What this installation left on the host: processes, mounts, loop devices, networks. Empty when all is well. */
  leftovers(): string[] {
    return [
      ...processesNaming(this.#home),
      ...mountsBelow(this.#home),
      ...loopDevicesOn(this.#home),
      ...this.#ids.flatMap(networkOf),
    ];
  }

  async #noteId(): Promise<void> {
    const { stdout } = await this.run(["info", "--format", "json"]);
    const id = /"installationId": ?"([0-9a-f]{8})"/.exec(stdout)?.[1];
    if (id !== undefined) this.#ids.push(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (existsSync(this.stateDir)) await this.run(["deinit", "--purge", "--quiet"]);
    for (const line of processesNaming(this.#home)) process.kill(Number(line.split(" ")[1]), "SIGKILL");
    for (const line of mountsBelow(this.#home)) spawnSync("umount", ["-l", line.split(" ")[1] ?? ""]);
    for (const line of loopDevicesOn(this.#home)) spawnSync("losetup", ["-d", line.split(" ")[1] ?? ""]);
    rmSync(this.#home, { recursive: true, force: true });
  }
}

export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], { cwd: options.cwd, env: { ...options.env } });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 300_000);
    const watch = options.killWhen;
    // Once: a second Ctrl-C means another thing than the first.
    const watcher = setInterval(() => {
      if (watch?.after() !== true) return;
      clearInterval(watcher);
      child.kill(watch.signal);
    }, 5);
    if (watch === undefined) clearInterval(watcher);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      clearInterval(watcher);
      const status = code ?? 128 + (signal === "SIGKILL" ? 9 : signal === "SIGINT" ? 2 : 15);
      resolve({ status, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
    child.stdin.on("error", () => undefined); // a command need not read its input
    child.stdin.end(options.input);
  });
}

/** "process PID COMMAND" for every process whose working folder or arguments lie below `folder`. */
export function processesNaming(folder: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
        return command.includes(folder) || environment.includes(folder)
          ? [`process ${pid} ${command.slice(0, 100)}`]
          : [];
      } catch {
        return []; // it ended meanwhile
      }
    });
}

function mountsBelow(folder: string): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[1] ?? "").replaceAll("\\040", " "))
    .filter((path) => path.startsWith(folder))
    .map((path) => `mount ${path}`);
}

function loopDevicesOn(folder: string): string[] {
  return spawnSync("losetup", ["-l", "-n", "-O", "NAME,BACK-FILE"], { encoding: "utf8" })
    .stdout.split("\n")
    .filter((line) => line.includes(folder))
    .map((line) => `loop ${line.trim().split(/\s+/)[0]}`);
}

/** Interfaces, firewall tables and rules that carry an installation's id, in this network namespace. */
function networkOf(id: string): string[] {
  const interfaces = readdirSync("/sys/class/net").filter((name) => name.startsWith(`e${id.slice(0, 4)}`));
  const rules = [["nft", "list", "ruleset"], ["iptables-save"], ["iptables-legacy-save"]].flatMap(
    ([command = "", ...args]) => spawnSync(command, args, { encoding: "utf8" }).stdout?.split("\n") ?? [],
  );
  return [
    ...interfaces.map((name) => `interface ${name}`),
    ...rules.filter((line) => line.includes(id)).map((line) => `firewall ${line.trim()}`),
  ];
}

/** Processes of hypervisors that belong to an installation, wherever its state folder is: their working folder tells. */
export function hypervisorsOf(stateDir: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(onPlatform.process) &&
          cwdOf(pid).startsWith(stateDir)
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Processes that are the network of an installation: ember-net, whose program executables unpack into the state folder. */
export function networkProcesses(stateDir: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [program = "", verb] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
        return program.startsWith(join(stateDir, "net")) && verb === "serve" && !isZombie(pid);
      } catch {
        return false; // it ended meanwhile
      }
    })
    .map(Number);
}

function isZombie(pid: string): boolean {
  return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

function cwdOf(pid: string): string {
  const { stdout } = spawnSync("readlink", [`/proc/${pid}/cwd`], { encoding: "utf8" });
  return stdout.trim();
}
