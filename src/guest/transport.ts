import { connect, type Socket } from "node:net";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentEndpoint } from "../network/network.ts";
import { printable } from "./printable.ts";

/** How an endpoint is named in messages. */
export function describeEndpoint(endpoint: AgentEndpoint): string {
  return endpoint.kind === "tcp"
    ? `${endpoint.host}:${endpoint.port}`
    : `port ${endpoint.port} of '${endpoint.path}'`;
}

/** The error for an agent that cannot be used; `why` completes "the agent at X ..." and may quote the guest. */
export function unreachable(endpoint: AgentEndpoint, why: string, cause?: unknown): EmberError {
  return new EmberError("guest-unreachable", `the agent at ${describeEndpoint(endpoint)} ${printable(why)}`, {
    hint: "look at the guest's console with 'ember vm logs --console NAME', or restart the VM",
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * A byte stream to the agent's port, before anything was said on it. The caller owns it from then on.
 * Throws `guest-unreachable`, also when that takes longer than `timeoutMs`, and `interrupted`.
 */
export async function openEndpoint(
  endpoint: AgentEndpoint,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<Socket> {
  if (options.signal?.aborted)
    throw new EmberError("interrupted", "interrupted before the guest was reached");
  const socket =
    endpoint.kind === "tcp"
      ? connect({ host: endpoint.host, port: endpoint.port, noDelay: true })
      : connect({ path: endpoint.path });
  try {
    await settle(socket, endpoint, options, "connect");
    if (endpoint.kind === "vsock-uds") await askForPort(socket, endpoint, options);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Waits until the socket emits `event`; a fault, the time limit or an abort settles it as well. */
function settle(
  socket: Socket,
  endpoint: AgentEndpoint,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  event: "connect" | "readable",
): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: EmberError): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
      socket.off(event, onEvent).off("error", onError).off("close", onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onEvent = (): void => done();
    const onError = (error: Error): void =>
      done(unreachable(endpoint, `cannot be reached: ${error.message}`, error));
    const onClose = (): void => done(unreachable(endpoint, "closed the connection at once"));
    const onAbort = (): void =>
      done(new EmberError("interrupted", "interrupted while the guest was reached"));
    const timer = setTimeout(
      () => done(unreachable(endpoint, `did not accept a connection within ${options.timeoutMs} ms`)),
      options.timeoutMs,
    );
    socket.on(event, onEvent).on("error", onError).on("close", onClose);
    options.signal?.addEventListener("abort", onAbort, { once: true });
  });
}

const answerLimitBytes = 64;

/**
 * Firecracker's protocol for a connection from the host to a port of the guest: "CONNECT PORT\n" is answered by
 * "OK HOSTPORT\n" (vsock.md). What follows that line belongs to the guest and is put back into the stream.
 */
async function askForPort(
  socket: Socket,
  endpoint: AgentEndpoint,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  socket.write(`CONNECT ${endpoint.port}\n`);
  let answer = "";
  while (!answer.endsWith("\n")) {
    const byte: unknown = socket.read(1);
    if (byte === null) {
      if (socket.readableEnded) throw unreachable(endpoint, "has no listener on that port");
      await settle(socket, endpoint, options, "readable");
    } else if (Buffer.isBuffer(byte) && answer.length < answerLimitBytes) {
      answer += byte.toString("latin1");
    } else {
      throw unreachable(endpoint, "did not answer as a vsock socket does");
    }
  }
  if (!/^OK [0-9]+\n$/.test(answer)) {
    throw unreachable(endpoint, `was refused by the hypervisor: ${JSON.stringify(answer.trim())}`);
  }
}
