import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";

const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
const env = { ...process.env, PATH: path, LC_ALL: "C" };

/** Whether network namespaces, TAPs and packet filters can be tried here, and why not. */
export function netnsObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  for (const tool of ["ip", "nft", "iptables-nft", "iptables-legacy", "go"]) {
    if (spawnSync("which", [tool], { env }).status !== 0) return `'${tool}' is not installed`;
  }
  const name = `ember-test-${process.pid}-try`;
  const made = spawnSync("ip", ["netns", "add", name], { env });
  spawnSync("ip", ["netns", "delete", name], { env });
  return made.status === 0 ? undefined : "network namespaces cannot be made here";
}

let made = 0;

/** A network namespace with its loopback up, and the processes in it. */
export class Namespace implements AsyncDisposable {
  readonly name: string;
  readonly #processes: { kill: () => Promise<void> }[] = [];

  constructor(label: string) {
    made += 1;
    this.name = `ember-test-${process.pid}-${made}-${label}`;
    execute(["ip", "netns", "add", this.name]);
    this.run("ip", "link", "set", "lo", "up");
  }

  get file(): string {
    return `/run/netns/${this.name}`;
  }

  /** The command that runs another one in here. */
  inside(command: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.name, ...command];
  }

  /** Runs a program in here to its end; throws when it fails. Gives what it printed. */
  run(...command: string[]): string {
    return execute(this.inside(command));
  }

  /** Runs several `ip` commands at once. */
  ip(...lines: string[]): void {
    execute(this.inside(["ip", "-batch", "-"]), lines.join("\n"));
  }

  nft(script: string): void {
    execute(this.inside(["nft", "-f", "-"]), script);
  }

  /** Runs a program without holding up this process; gives what it printed. */
  async runAside(...command: string[]): Promise<string> {
    const child = spawn("ip", ["netns", "exec", this.name, ...command], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    const [code] = await once(child, "close");
    if (code !== 0) throw new Error(`${command.join(" ")} failed (${code})`);
    return text;
  }

  /** Starts a program that goes on until `kill` or the namespace's end. Its lines come through `onLine`. */
  async start(
    command: readonly string[],
    onLine: (line: string) => void = () => undefined,
  ): Promise<Started> {
    const [file = "", ...args] = this.inside(command);
    const child = spawn(file, args, { env, stdio: ["pipe", "pipe", "inherit"] });
    const ended = once(child, "exit");
    const kill = async (): Promise<void> => {
      child.kill("SIGKILL");
      await ended;
    };
    this.#processes.push({ kill });
    const lines = createInterface({ input: child.stdout });
    const first = new Promise<void>((resolve) => lines.once("line", () => resolve()));
    lines.on("line", onLine);
    await Promise.race([
      first,
      ended.then(() => Promise.reject(new Error(`${command.join(" ")} ended at once`))),
    ]);
    return { kill, send: (line) => child.stdin.write(`${line}\n`) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { kill } of this.#processes) await kill();
    execute(["ip", "netns", "delete", this.name]);
  }
}

export interface Started {
  readonly kill: () => Promise<void>;
  readonly send: (line: string) => void;
}

function execute(command: readonly string[], input = ""): string {
  const [file = "", ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(file, args, {
    env,
    input,
    encoding: "utf8",
    timeout: 30_000,
  });
  if (status !== 0) throw new Error(`${command.join(" ")} failed: ${error?.message ?? stderr}`);
  return stdout;
}
