import { connect, type Socket } from "node:net";

export interface QmpEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A lasting conversation with QEMU, for its events. */
export class Qmp {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #greeted = Promise.withResolvers<void>();
  #lastId = 0;
  #rest = "";

  private constructor(socket: Socket, onEvent: (event: QmpEvent) => void) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      const lines = `${this.#rest}${chunk}`.split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.#handle(record(JSON.parse(line)), onEvent);
    });
    socket.on("close", () => this.#fail());
    socket.on("error", () => this.#fail());
  }

  /** Connects to QEMU's socket of that abstract name as soon as it is there. */
  static async connect(name: string, alive: () => boolean, onEvent: (event: QmpEvent) => void): Promise<Qmp> {
    for (;;) {
      const socket = await tryConnect(`\0${name}`);
      if (socket !== undefined) {
        const qmp = new Qmp(socket, onEvent);
        await qmp.#greeted.promise;
        await qmp.execute("qmp_capabilities");
        return qmp;
      }
      if (!alive()) throw new Error("QEMU did not start");
      await Bun.sleep(20);
    }
  }

  execute(command: string, values?: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.#lastId += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#lastId, waiting);
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: values, id: this.#lastId })}\n`);
    return waiting.promise;
  }

  #handle(message: Readonly<Record<string, unknown>>, onEvent: (event: QmpEvent) => void): void {
    if ("QMP" in message) {
      this.#greeted.resolve();
      return;
    }
    if (typeof message["event"] === "string") {
      onEvent({ name: message["event"], data: record(message["data"]) });
      return;
    }
    const waiting = this.#waiting.get(Number(message["id"]));
    this.#waiting.delete(Number(message["id"]));
    if ("error" in message) waiting?.reject(new Error(String(record(message["error"])["desc"])));
    else waiting?.resolve(message["return"]);
  }

  #fail(): void {
    for (const waiting of this.#waiting.values()) waiting.reject(new Error("QEMU has ended"));
    this.#waiting.clear();
  }
}

function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}

export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
