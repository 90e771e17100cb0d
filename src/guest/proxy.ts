import type { AgentEndpoint } from "../network/network.ts";
import { openEndpoint } from "./transport.ts";

const connectLimitMs = 10_000;

/**
 * Pumps two streams to the agent's endpoint and back, bytes as they are: what OpenSSH needs of a ProxyCommand.
 * The end of `input` is handed on while the agent may still answer. Resolves when the agent has ended the connection
 * and all it said was written, or when `output` is gone. Throws `guest-unreachable`, `interrupted`.
 */
export async function proxyAgent(
  endpoint: AgentEndpoint,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const socket = await openEndpoint(endpoint, { timeoutMs: connectLimitMs, signal: options.signal });
  const resumeSocket = (): void => {
    socket.resume();
  };
  const resumeInput = (): void => {
    input.resume();
  };
  const onInput = (chunk: Buffer | string): void => {
    if (socket.writable && !socket.write(chunk)) {
      input.pause();
      socket.once("drain", resumeInput);
    }
  };
  const onInputEnd = (): void => {
    socket.end();
  };
  const stop = (): void => {
    socket.destroy();
  };
  socket.on("data", (chunk: Buffer) => {
    if (!output.write(chunk)) {
      socket.pause();
      output.once("drain", resumeSocket);
    }
  });
  socket.on("error", stop); // a reset ends the proxy as an end does; ssh says what it missed
  socket.on("end", stop);
  input.on("data", onInput).on("end", onInputEnd).on("error", stop);
  output.on("error", stop).on("close", stop);
  options.signal?.addEventListener("abort", stop, { once: true });
  await new Promise<void>((resolve) => socket.once("close", () => resolve()));
  options.signal?.removeEventListener("abort", stop);
  input.off("data", onInput).off("end", onInputEnd).off("error", stop);
  output.off("error", stop).off("close", stop).off("drain", resumeSocket);
  input.pause();
}
