import { connect, type Socket } from "node:net";
import { EmberError, toEmberError } from "../../errors/ember-error.ts";
import { LineSplitter } from "./line-splitter.ts";
import { parseQmpMessage, type QmpMessage } from "./qmp-messages.ts";

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: EmberError) => void;
}

/**
 * Runs `body` in a conversation with the QEMU that listens at `path`. QEMU serves one client at a time: a second one
 * connects, but is greeted only when the first has gone, so `body` should be short. `timeoutMs` bounds it all, the
 * turns of other clients included.
 * Throws `hypervisor-failed` (a lost connection has the socket's error as its cause), `timeout`, `interrupted`.
 */
export async function withQmp<T>(
  path: string,
  limits: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  body: (session: QmpSession) => Promise<T>,
): Promise<T> {
  const { signal } = limits;
  if (signal?.aborted === true) throw interrupted();
  const session = new QmpSession(path, limits.timeoutMs);
  const onAbort = (): void => session.end(interrupted());
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await session.greet();
    return await body(session);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    session.end();
  }
}

function interrupted(): EmberError {
  return new EmberError("interrupted", "interrupted while talking to the hypervisor");
}

/** One conversation over QEMU's control socket (QMP), for use through `withQmp`. */
export class QmpSession {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #timer: NodeJS.Timeout;
  #lastId = 0;
  #greeted: Waiting | undefined;
  #ended: EmberError | undefined;

  constructor(path: string, timeoutMs: number) {
    this.#path = path;
    this.#socket = connect(path);
    this.#timer = setTimeout(() => this.end(this.#timeout(timeoutMs)), timeoutMs);
    const lines = new LineSplitter();
    this.#socket.on("data", (chunk) => this.#receive(lines, Buffer.from(chunk)));
    this.#socket.on("error", (error) => this.end(this.#lost(error.message, error)));
    this.#socket.on("close", () => this.end(this.#lost("it closed the connection")));
  }

  /** Waits for QEMU to take this client. Throws as `withQmp`. */
  async greet(): Promise<void> {
    await new Promise<unknown>((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      this.#greeted = { resolve, reject };
    });
    await this.execute("qmp_capabilities");
  }

  /** Runs one command and gives its result, unparsed. Throws `hypervisor-failed` with QEMU's reason, `timeout`. */
  execute(command: string, values?: Readonly<Record<string, unknown>>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      this.#lastId += 1;
      this.#waiting.set(this.#lastId, { resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: values, id: this.#lastId })}\n`);
    });
  }

  /** Lets the next client in; what still waits for an answer fails with `error`. Idempotent. */
  end(error: EmberError = this.#lost("the session was closed")): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#greeted?.reject(error);
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }

  #receive(lines: LineSplitter, chunk: Buffer): void {
    try {
      for (const line of lines.push(chunk)) this.#handle(parseQmpMessage(line));
    } catch (error) {
      this.end(toEmberError(error));
    }
  }

  #handle(message: QmpMessage): void {
    if (message.kind === "event") return;
    if (message.kind === "greeting") {
      this.#greeted?.resolve(undefined);
      this.#greeted = undefined;
      return;
    }
    // An error without an id answers a command that QEMU could not even read; ours are well formed.
    const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id);
    if (message.id === undefined || waiting === undefined) return;
    this.#waiting.delete(message.id);
    if (message.kind === "result") waiting.resolve(message.value);
    else waiting.reject(new EmberError("hypervisor-failed", `the hypervisor refused: ${message.reason}`));
  }

  #lost(why: string, cause?: unknown): EmberError {
    return new EmberError(
      "hypervisor-failed",
      `the hypervisor's control socket '${this.#path}' is lost: ${why}`,
      {
        cause,
      },
    );
  }

  #timeout(timeoutMs: number): EmberError {
    return new EmberError("timeout", `the hypervisor did not answer within ${timeoutMs / 1000} s`, {
      hint: "another command may be talking to it: try again, or stop the VM with --force",
    });
  }
}
