import type { Socket } from "node:net";
import type { Client } from "ssh2";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentEndpoint } from "../network/network.ts";
import type { AgentChannel, AgentTarget } from "./channel.ts";
import { fingerprint, publicKeyBlob } from "./keys.ts";
import { createChannel } from "./ssh-channel.ts";
import { describeEndpoint, openEndpoint, unreachable } from "./transport.ts";

export interface ConnectOptions {
  /** From the first packet to the end of authentication, all attempts together. Default 10 s. */
  readonly timeoutMs?: number;
  /** How long an accepted connection may stay silent. Default: as long as everything may take. */
  readonly firstByteTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** False: one attempt only. Default true. */
  readonly retry?: boolean;
}

/** The error for an agent that proved to be somebody else. Asking again cannot help. */
export class WrongHostKey extends EmberError {
  constructor(endpoint: AgentEndpoint, shown: Uint8Array, pinned: Uint8Array) {
    const keys = `host key ${fingerprint(shown)} where ${fingerprint(pinned)} is expected`;
    super(
      "guest-unreachable",
      `the agent at ${describeEndpoint(endpoint)} shows ${keys}: it is not this VM's`,
      {
        hint: "nothing was sent to it; restart the VM, and find out what else listens there",
      },
    );
  }
}

/** Milliseconds to wait before the second and third attempt. */
const retryDelaysMs = [50, 250];

/**
 * Connects to an agent and authenticates both sides. A connection that breaks before that is made again, twice at
 * most: nothing has been asked of the guest yet.
 * Throws `guest-unreachable` (also for a host key other than the pinned one, which is never retried), `interrupted`.
 */
export async function connectAgent(target: AgentTarget, options: ConnectOptions = {}): Promise<AgentChannel> {
  const limitMs = options.timeoutMs ?? 10_000;
  const deadline = performance.now() + limitMs;
  for (let attempt = 0; ; attempt += 1) {
    const timeoutMs = Math.max(1, Math.ceil(deadline - performance.now()));
    try {
      return await connectOnce(target, { ...options, timeoutMs, limitMs });
    } catch (error) {
      const delayMs = retryDelaysMs[attempt];
      const again = error instanceof BrokenHandshake && options.retry !== false && delayMs !== undefined;
      if (!again || performance.now() + delayMs >= deadline) throw asEmberError(error);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}

/** The connection was accepted and then lost before the agent had authenticated us. */
class BrokenHandshake extends Error {
  readonly error: EmberError;
  constructor(error: EmberError) {
    super(error.message);
    this.error = error;
  }
}

function asEmberError(error: unknown): unknown {
  return error instanceof BrokenHandshake ? error.error : error;
}

/** `limitMs` is the whole time limit, for messages; `timeoutMs` what is left of it. */
type Attempt = ConnectOptions & { readonly timeoutMs: number; readonly limitMs: number };

/** Loading the protocol and opening the connection overlap. */
async function connectOnce(target: AgentTarget, options: Attempt): Promise<AgentChannel> {
  const startedMs = performance.now();
  const opening = openEndpoint(target.endpoint, options);
  opening.catch(() => undefined); // awaited below; until then a failure is not unhandled
  const { default: SshClient } = await import("ssh2/lib/client.js");
  const socket = await opening;
  const client = new SshClient();
  try {
    const leftMs = Math.max(1, options.timeoutMs - (performance.now() - startedMs));
    await authenticate(client, socket, target, { ...options, timeoutMs: leftMs });
    return createChannel(client, socket, target.endpoint);
  } catch (error) {
    client.on("error", () => undefined); // the fault is known; what the dying connection adds is noise
    socket.destroy();
    throw error;
  }
}

/**
 * What we offer, and nothing else: the key exchange and signatures that cost an emulated guest least, and a cipher
 * for which processors have instructions and the agent's Go has assembly.
 */
const algorithms = {
  kex: ["curve25519-sha256" as const],
  serverHostKey: ["ssh-ed25519" as const],
  cipher: ["aes128-gcm@openssh.com" as const],
  compress: ["none" as const],
};

function authenticate(client: Client, socket: Socket, target: AgentTarget, options: Attempt): Promise<void> {
  const pinned = publicKeyBlob(target.hostPublicKey);
  return new Promise((resolve, reject) => {
    const timers: NodeJS.Timeout[] = [];
    let settled = false;
    const settle = (error?: EmberError | BrokenHandshake): void => {
      if (settled) return;
      settled = true;
      for (const timer of timers) clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      client.removeAllListeners();
      if (error === undefined) {
        resolve();
        return;
      }
      client.on("error", () => undefined); // settled: nobody is left to tell
      reject(error);
    };
    const fail = (why: string, cause?: unknown): void => settle(unreachable(target.endpoint, why, cause));
    const onAbort = (): void =>
      settle(new EmberError("interrupted", "interrupted while the guest was reached"));
    options.signal?.addEventListener("abort", onAbort, { once: true });
    timers.push(setTimeout(() => fail(`did not answer within ${options.limitMs} ms`), options.timeoutMs));
    const silentMs = options.firstByteTimeoutMs;
    if (silentMs !== undefined) {
      const before = socket.bytesRead;
      const check = (): void => {
        if (socket.bytesRead === before) fail(`accepted a connection but said nothing for ${silentMs} ms`);
      };
      timers.push(setTimeout(check, silentMs));
    }
    const broken = (why: string, cause?: unknown): void =>
      settle(new BrokenHandshake(unreachable(target.endpoint, why, cause)));

    client.on("ready", () => settle());
    client.on("close", () => broken("closed the connection before it had authenticated itself"));
    client.on("error", (error: Error & { level?: string }) => {
      if (error.level === "client-authentication")
        fail(`does not accept ember's key for user '${target.user}'`);
      else if (error.level === "client-socket") broken(`broke the connection: ${error.message}`, error);
      else if (socket.bytesRead === 0) broken("closed the connection without a word", error);
      else fail(`does not speak SSH as expected: ${error.message}`, error);
    });
    client.connect({
      sock: socket,
      ident: "ember",
      username: target.user,
      privateKey: target.clientPrivateKey,
      authHandler: ["publickey"],
      algorithms,
      readyTimeout: 0,
      hostVerifier: (shown: Buffer): boolean => {
        if (shown.equals(pinned)) return true;
        settle(new WrongHostKey(target.endpoint, shown, pinned));
        return false;
      },
    });
  });
}
