import { connect, type Socket } from "node:net";
import { EmberError, toEmberError } from "../../errors/ember-error.ts";
import { LineSplitter } from "./line-splitter.ts";
import { parseQmpMessage, type QmpMessage } from "./qmp-messages.ts";

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: EmberError) => void;
}

/**
 * A conversation with QEMU over its control socket (QMP). QEMU serves one client at a time: a second one connects,
 * but is greeted only when the first has gone, so a session is opened, used and closed at once.
 */
export class QmpSession implements Disposable {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #timer: NodeJS.Timeout;
  #lastId = 0;
  #greeted: Waiting | undefined;
  #ended: EmberError | undefined;

  private constructor(path: string, timeoutMs: number) {
    this.#path = path;
    this.#socket = connect(path);
    this.#timer = setTimeout(() => this.#fail(this.#timeout(timeoutMs)), timeoutMs);
    const lines = new LineSplitter();
    this.#socket.on("data", (chunk) => this.#receive(lines, Buffer.from(chunk)));
    this.#socket.on("error", (error) => this.#fail(this.#lost(error.message, error)));
    this.#socket.on("close", () => this.#fail(this.#lost("it closed the connection")));
  }

  /**
   * Opens a session. `timeoutMs` bounds the whole session, other clients' turns included.
   * Throws `hypervisor-failed` (its cause is the socket's error), `timeout`, `interrupted`.
   */
  static async open(path: string, timeoutMs: number, signal?: AbortSignal): Promise<QmpSession> {
    const session = new QmpSession(path, timeoutMs);
    const onAbort = (): void => session.#fail(new EmberError("interrupted", "interrupted"));
    try {
      signal?.addEventListener("abort", onAbort, { once: true });
      if (signal?.aborted === true) onAbort();
      await session.#greeting();
      await session.execute("qmp_capabilities");
      return session;
    } catch (error) {
      session[Symbol.dispose]();
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
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

  /** Lets the next client in. Idempotent; what still waits for an answer fails. */
  [Symbol.dispose](): void {
    this.#fail(this.#lost("the session was closed"));
  }

  #greeting(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      this.#greeted = { resolve, reject };
    });
  }

  #receive(lines: LineSplitter, chunk: Buffer): void {
    try {
      for (const line of lines.push(chunk)) this.#handle(parseQmpMessage(line));
    } catch (error) {
      this.#fail(toEmberError(error));
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

  #fail(error: EmberError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#greeted?.reject(error);
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
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
