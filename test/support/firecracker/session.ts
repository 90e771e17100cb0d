import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Exchange {
  readonly status: number;
  /** "" for none. */
  readonly body: string;
}

/** One process of Firecracker, real or double, in a folder of its own, for as long as a test uses it. */
export class FirecrackerSession implements AsyncDisposable {
  readonly folder: string;
  readonly child: ChildProcess;
  /** The exit status, or 128 and the signal's number. */
  readonly ended: Promise<number>;

  private constructor(folder: string, child: ChildProcess) {
    this.folder = folder;
    this.child = child;
    this.ended = new Promise((resolve) => {
      child.on("exit", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 143)));
    });
  }

  /** Started, and its socket takes connections: it is there a moment before it does. */
  static async start(
    program: string,
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<FirecrackerSession> {
    const folder = mkdtempSync(join(tmpdir(), "fc-session-"));
    const output = openSync(join(folder, "output"), "a");
    const child = spawn(program, ["--api-sock", "api.sock", ...args], {
      cwd: folder,
      env: { ...env },
      stdio: ["ignore", output, output],
    });
    const session = new FirecrackerSession(folder, child);
    for (let tries = 0; tries < 500 && !(await accepts(session.socket)); tries++) {
      if (child.exitCode !== null) break;
      await Bun.sleep(10);
    }
    return session;
  }

  get socket(): string {
    return join(this.folder, "api.sock");
  }

  /** The log and the console. */
  get output(): string {
    return readFileSync(join(this.folder, "output"), "utf8");
  }

  /** An answer. A body that is a text is sent as it is. Rejects when the connection fails or the answer is none. */
  send(method: string, path: string, body?: unknown, timeoutMs = 30_000): Promise<Exchange> {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const headers = text === undefined ? {} : { "Content-Length": Buffer.byteLength(text) };
      const sent = request({ socketPath: this.socket, method, path, headers, agent: false }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
      });
      sent.setTimeout(timeoutMs, () => sent.destroy(new Error("no answer in time")));
      sent.on("error", (cause) => {
        const how = `${method} ${path} of ${this.child.spawnfile} failed, status ${this.child.exitCode}`;
        reject(new Error(`${how}: ${cause.message}\n${this.output.slice(-1000)}`, { cause }));
      });
      sent.end(text);
    });
  }

  /** As `send`; throws unless it was done. */
  async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.send(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return answer.body === "" ? undefined : JSON.parse(answer.body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Whether somebody listens there: the socket is there a moment before that. */
export function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
