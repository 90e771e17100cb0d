import { connect, type Socket } from "node:net";
import * as v from "valibot";
import type { ErrorCode } from "../../errors/catalogue.ts";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { type Failure, failure, type Request } from "./protocol.ts";

/** A request, all of it. Most take milliseconds; the host may be busy. */
const answerLimitMs = 20_000;
const longestAnswerBytes = 64 * 2 ** 20;

/** Nobody is at the other end, or nobody any more: what was asked for may or may not have been done. */
export class NetworkGone extends EmberError {
  constructor(why: string, cause?: unknown) {
    super("network-failed", `the network's process ${why}`, {
      hint: "run the command again, which starts it anew",
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** A conversation with ember-net: one request at a time. */
export interface Control extends Disposable {
  /**
   * What a request is answered with. Throws what ember-net says of a failure, `network-failed` for an answer that is not
   * understood or does not come in time, `NetworkGone`.
   */
  ask<T>(request: Request, answer: v.GenericSchema<unknown, T>): Promise<T>;
}

/** Throws `NetworkGone` when nobody listens there, `permission-denied` for another user's. */
export async function openControl(path: string, limitMs: number = answerLimitMs): Promise<Control> {
  const socket = await opened(path);
  const lines = new Lines(socket);
  return {
    ask: async (request, answer) => {
      socket.write(`${JSON.stringify(request)}\n`);
      return parse(request.op, await lines.next(request.op, limitMs), answer);
    },
    [Symbol.dispose]: () => socket.destroy(),
  };
}

function opened(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket.off("error", fail)));
    socket.once("error", fail);
    function fail(cause: Error): void {
      const denied = errnoCode(cause) === "EACCES" || errnoCode(cause) === "EPERM";
      reject(
        denied
          ? new EmberError("permission-denied", `'${path}' belongs to another user`, { cause })
          : new NetworkGone("does not run", cause),
      );
    }
  });
}

/** The lines that come from a socket, asked for one at a time. */
class Lines {
  #text: Buffer[] = [];
  #bytes = 0;
  #over: NetworkGone | undefined;
  #look: () => void = () => undefined;

  constructor(socket: Socket) {
    const end = (cause?: unknown): void => {
      this.#over ??= new NetworkGone("ended before it had answered", cause);
      this.#look();
    };
    socket.on("data", (chunk: Buffer) => {
      this.#text.push(chunk);
      this.#bytes += chunk.length;
      if (this.#bytes > longestAnswerBytes) socket.destroy();
      else if (chunk.includes(0x0a)) this.#look();
    });
    socket.on("error", end).on("close", () => end());
  }

  next(op: string, limitMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#look = () => undefined;
        act();
      };
      const late = new EmberError(
        "network-failed",
        `the network's process did not answer '${op}' within ${limitMs / 1000} s`,
        {
          hint: "see its log, net.log in the folder that 'ember info' shows; once that process is ended, the next command starts it anew",
        },
      );
      const timer = setTimeout(() => settle(() => reject(late)), limitMs);
      this.#look = () => {
        const line = this.#take();
        const over = this.#over;
        if (line !== undefined) settle(() => resolve(line));
        else if (over !== undefined) settle(() => reject(over));
      };
      this.#look();
    });
  }

  #take(): string | undefined {
    const all = Buffer.concat(this.#text);
    const end = all.indexOf(0x0a);
    if (end === -1) return undefined;
    this.#text = [all.subarray(end + 1)];
    this.#bytes = all.length - end - 1;
    return all.subarray(0, end).toString("utf8");
  }
}

function parse<T>(op: string, line: string, answer: v.GenericSchema<unknown, T>): T {
  const value = json(line);
  const failed = v.safeParse(failure, value);
  if (failed.success) throw failureOf(failed.output.error);
  const parsed = v.safeParse(answer, value);
  if (parsed.success) return parsed.output;
  throw new EmberError(
    "network-failed",
    `the network's process answered '${op}' with what is not understood`,
    {
      hint: "see whether ember and its ember-net are of one version: 'ember doctor'",
    },
  );
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // not understood, which the caller tells
  }
}

/** ember-net's codes that are ours as well; everything else is a fault of the network's. */
const codes: Readonly<Record<string, ErrorCode>> = {
  "port-taken": "port-taken",
  "permission-denied": "permission-denied",
  unsupported: "unsupported",
  usage: "usage",
};

const hints: Readonly<Record<string, string>> = {
  "port-taken": "publish the guest's port at another one",
  "permission-denied": "choose a host port above 1023",
  unsupported: "publish at 127.0.0.1, or at 0.0.0.0 for every address of the host",
};

function failureOf(error: Failure): EmberError {
  if (error.code === "ending") return new NetworkGone("ended before it had answered");
  const code = codes[error.code] ?? "network-failed";
  const hint = error.hint ?? hints[error.code];
  return new EmberError(code, error.message, hint === undefined ? {} : { hint });
}
