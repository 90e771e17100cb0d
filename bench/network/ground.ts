import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { NetworkNamespace } from "../../test/support/netns.ts";

const host = "192.0.2.10";
const outside = "192.0.2.1";
/** Where the far end listens: reached by routing, since a VM may not reach the host itself. */
export const farEnd: string = `${outside}:9000`;

/** Every guest has the same addresses: each is behind a network of its own. */
export const guest: { readonly [name in "mac" | "address" | "gateway" | "resolver" | "subnet"]: string } = {
  mac: "52:54:00:10:00:03",
  address: "10.100.0.3",
  gateway: "10.100.0.1",
  resolver: "10.100.0.2",
  subnet: "10.100.0.0/29",
};

/** Two network namespaces: the host that runs the networks, and one beyond it with the far end. */
export class Ground implements AsyncDisposable {
  readonly host: NetworkNamespace = new NetworkNamespace("bench-host");
  readonly folder: string = mkdtempSync(join(tmpdir(), "ember-bench-net-"));
  /** The program of guest/internal/traffic. */
  readonly traffic: string = join(this.folder, "traffic");
  readonly #outside = new NetworkNamespace("bench-far");
  readonly #processes: ChildProcess[] = [];

  static async open(): Promise<Ground> {
    const ground = new Ground();
    try {
      await ground.#prepare();
      return ground;
    } catch (error) {
      await ground[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #prepare(): Promise<void> {
    execFileSync("go", ["build", "-o", this.traffic, "./internal/traffic"], {
      cwd: join(import.meta.dir, "../../guest"),
      env: { ...process.env, CGO_ENABLED: "0" },
    });
    this.host.connect(
      this.#outside,
      { name: "wan0", address: `${host}/24` },
      { name: "eth0", address: `${outside}/24` },
    );
    this.host.ip("route", "add", "default", "via", outside);
    await this.start(this.#outside, [this.traffic, "serve", farEnd]).line();
  }

  /** Starts a program in a namespace (this process's own without one); it ends with the ground. */
  start(at: NetworkNamespace, command: readonly string[]): Running {
    const child = spawn("ip", ["netns", "exec", at.name, ...command], { stdio: ["pipe", "pipe", "inherit"] });
    this.#processes.push(child);
    return new Running(child, command[0] ?? "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    }
    this.host[Symbol.dispose]();
    this.#outside[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A program that speaks in lines. */
export class Running {
  readonly #child: ReturnType<typeof spawn>;
  readonly #name: string;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ReturnType<typeof spawn>, name: string) {
    if (child.stdout === null) throw new Error(`${name} has no output`);
    this.#child = child;
    this.#name = name;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#name} did not start`);
    return this.#child.pid;
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** The next line of its output. Throws when it ended. */
  async line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error(`${this.#name} ended`);
    return value;
  }
}
