import type { ClientChannel } from "ssh2";
import * as v from "valibot";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentChannel } from "./channel.ts";
import { printable } from "./printable.ts";

/** No answer of the agent is near this size; a longer line is an attack on our memory. */
const lineLimitBytes = 1024 * 1024;

const answerSchema = v.union([
  v.object({ id: v.number(), result: v.unknown() }),
  v.object({ id: v.number(), error: v.object({ code: v.string(), message: v.string() }) }),
]);

interface Pending {
  readonly method: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: EmberError) => void;
}

/**
 * Calls over newline-delimited JSON on one stream of the agent. The guest is not trusted: lines are bounded, answers
 * must have the right form, and an answer to nothing ends the stream.
 */
export class RpcClient {
  readonly #agent: AgentChannel;
  readonly #stream: ClientChannel;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #chunks: Buffer[] = [];
  #lineBytes = 0;
  #fault: EmberError | undefined;

  constructor(agent: AgentChannel, stream: ClientChannel) {
    this.#agent = agent;
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.stderr.resume();
    stream.on("close", () =>
      this.#end(agent.fault ?? new EmberError("guest-failed", "the agent closed its control stream")),
    );
  }

  /** Throws `guest-failed` with the agent's reason, `guest-unreachable`, `timeout`. */
  async call(method: string, params: object, timeoutMs: number): Promise<unknown> {
    if (this.#fault !== undefined) throw this.#fault;
    this.#lastId += 1;
    const id = this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => {
      reject(new EmberError("timeout", `the agent did not answer '${method}' within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    this.#pending.set(id, { method, resolve, reject });
    this.#stream.write(`${JSON.stringify({ id, method, params })}\n`);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#stream.end();
    this.#stream.close();
  }

  #receive(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(10); end !== -1 && this.#fault === undefined; end = rest.indexOf(10)) {
      const line = Buffer.concat([...this.#chunks, rest.subarray(0, end)]);
      this.#chunks = [];
      this.#lineBytes = 0;
      rest = rest.subarray(end + 1);
      this.#answer(line.toString("utf8"));
    }
    this.#chunks.push(rest);
    this.#lineBytes += rest.length;
    if (this.#lineBytes > lineLimitBytes) this.#refuse("sent a line longer than 1 MiB");
  }

  #answer(line: string): void {
    let parsed: v.SafeParseResult<typeof answerSchema>;
    try {
      parsed = v.safeParse(answerSchema, JSON.parse(line));
    } catch {
      this.#refuse(`sent what is not JSON: '${printable(line, 60)}'`);
      return;
    }
    const pending = parsed.success ? this.#pending.get(parsed.output.id) : undefined;
    if (!parsed.success || pending === undefined) {
      this.#refuse(`sent an answer that nothing had asked for: '${printable(line, 60)}'`);
      return;
    }
    this.#pending.delete(parsed.output.id);
    if ("error" in parsed.output) pending.reject(refusal(pending.method, parsed.output.error));
    else pending.resolve(parsed.output.result);
  }

  #refuse(what: string): void {
    this.#end(new EmberError("guest-failed", `the agent's control stream ${what}`));
    this.#stream.close();
  }

  #end(error: EmberError): void {
    this.#fault ??= this.#agent.fault ?? error;
    this.#chunks = [];
    for (const pending of this.#pending.values()) pending.reject(this.#fault);
    this.#pending.clear();
  }
}

function refusal(method: string, error: { readonly code: string; readonly message: string }): EmberError {
  return new EmberError(
    "guest-failed",
    `the agent could not do '${method}': ${printable(error.message)} (${printable(error.code, 40)})`,
  );
}
