import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeCpio } from "../../src/guest/initrd/cpio.ts";
import { kernelImageFor } from "../../src/kernel/format/boot-file.ts";
import { pullPreset } from "../../src/kernel/presets.ts";
import { sharedCache } from "../support/ember.ts";
import { busyboxPath } from "../support/rootfs.ts";

// ember-vz by itself, with a real kernel and a guest that is a shell script.

/** What ember-vz says in one line. */
export interface Said {
  readonly state?: string;
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
}

/** Files of a test's machines. */
export class Bench implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "vz-"));
  #kernel = "";
  #initrd = "";

  path(name: string): string {
    return join(this.folder, name);
  }

  /** The guest runs `script` once its modules are loaded; what it says goes to /dev/ttyS0. */
  async prepare(script: string): Promise<void> {
    const kernel = await pullPreset({ kernelsDir: this.path("kernels"), cacheDir: sharedCache }, "debian");
    this.#kernel = await kernelImageFor(kernel, "boot-protocol");
    const load = "for m in $(cat /lib/modules/ember/modules.load); do insmod /lib/modules/ember/$m; done";
    const init = `#!/bin/busybox sh\n/bin/busybox --install /bin\nmount -t devtmpfs dev /dev\n${load}\nexec >/dev/ttyS0 2>&1\n${script}\n`;
    const shell = writeCpio([
      ...["bin", "dev"].map((path) => ({ type: "folder", path, mode: 0o755 }) as const),
      { type: "file", path: "bin/busybox", mode: 0o755, content: readFileSync(busyboxPath()) },
      { type: "file", path: "init", mode: 0o755, content: Buffer.from(init) },
    ]);
    const modules = kernel.archive === undefined ? Buffer.alloc(0) : readFileSync(kernel.archive.path);
    this.#initrd = this.path("initrd");
    writeFileSync(this.#initrd, Buffer.concat([modules, shell]));
  }

  /** Starts a machine whose log is `name`; the result is there once that has told how its start went. */
  async run(name: string, ...more: readonly string[]): Promise<Machine> {
    const memory = more.includes("--memory") ? [] : ["--memory", "256"];
    const files = ["--kernel", this.#kernel, "--initrd", this.#initrd, "--console-log", this.path(name)];
    const identity = ["--machine-id", this.path("id"), "--control", this.path(`${name}.control`)];
    const boot = ["--boot-args", "console=ttyS0 quiet"];
    const args = [
      "run",
      ...files,
      ...identity,
      ...boot,
      ...memory,
      "--cpus",
      "1",
      "--ready-fd",
      "3",
      ...more,
    ];
    const child = spawn("ember-vz", args, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
    return new Machine(child, this.path(name), this.path(`${name}.control`), await firstLine(child));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class Machine implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly log: string;
  readonly control: string;
  /** How its start went. */
  readonly said: Said;

  constructor(process: ChildProcess, log: string, control: string, said: Said) {
    this.process = process;
    this.log = log;
    this.control = control;
    this.said = said;
  }

  /** One command, and its answer. */
  async ask(command: string, path?: string): Promise<Said> {
    const socket = connect(this.control);
    try {
      socket.write(`${JSON.stringify({ do: command, path })}\n`);
      return JSON.parse(await lineOf(socket));
    } finally {
      socket.destroy();
    }
  }

  /** All numbers that the guest has counted so far. */
  counted(): number[] {
    const log = readFileSync(this.log, "utf8");
    return Array.from(log.matchAll(/^count (\d+)\r?$/gm), ([, number]) => Number(number));
  }

  async until(done: () => boolean): Promise<void> {
    for (let attempt = 0; !done(); attempt++) {
      if (attempt === 600)
        throw new Error(`it did not come to that: ${readFileSync(this.log, "utf8").slice(-2000)}`);
      await Bun.sleep(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exit = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exit;
  }
}

async function firstLine(child: ChildProcess): Promise<Said> {
  const report = child.stdio[3];
  if (report === null || report === undefined || !("on" in report)) throw new Error("there is no report");
  return JSON.parse(await lineOf(report));
}

function lineOf(stream: NodeJS.EventEmitter): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("\n")) resolve(text.split("\n")[0] ?? "");
    });
    stream.on("error", reject);
    stream.on("close", () => reject(new Error(`it hung up after '${text}'`)));
  });
}
