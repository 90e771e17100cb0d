import { afterEach, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { proxyAgent } from "./proxy.ts";
import { listenOnLoopback } from "./testing/fake-agent.ts";

const cleanUps: (() => Promise<unknown> | unknown)[] = [];
afterEach(async (): Promise<void> => {
  for (const step of cleanUps.splice(0).reverse()) await step();
});

async function endpoint(serve: (socket: Socket) => void) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    cleanUps.push(() => socket.destroy());
    socket.on("error", () => undefined);
    serve(socket);
  });
  const port = await listenOnLoopback(server);
  cleanUps.push(() => new Promise((resolve) => server.close(resolve)));
  return { kind: "tcp", host: "127.0.0.1", port } as const;
}

function collector(): { stream: PassThrough; received: () => Buffer } {
  const chunks: Buffer[] = [];
  const stream = new PassThrough().on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, received: () => Buffer.concat(chunks) };
}

test("bytes pass both ways unchanged, and the end of the input leaves the answer time", async () => {
  const target = await endpoint((socket) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("end", () => socket.end(Buffer.concat(chunks).reverse()));
  });
  const input = new PassThrough();
  const output = collector();
  const bytes = Buffer.from(Array.from({ length: 2_000_000 }, (_, index) => (index * 3) & 255));
  const done = proxyAgent(target, input, output.stream);
  input.end(bytes);
  await done;
  expect(output.received().equals(Buffer.from(bytes).reverse())).toBe(true);
});

test("the agent's end ends the proxy while the input is still open", async () => {
  const target = await endpoint((socket) => socket.end("bye"));
  const input = new PassThrough();
  const output = collector();
  await proxyAgent(target, input, output.stream);
  expect(output.received().toString()).toBe("bye");
  expect(input.listenerCount("data")).toBe(0);
});

test("a reset, an output that closes and an abort end the proxy", async () => {
  const resetting = await endpoint((socket) => socket.resetAndDestroy());
  await proxyAgent(resetting, new PassThrough(), collector().stream);
  const silent = await endpoint((socket) => socket.resume());
  const output = new PassThrough();
  setTimeout(() => output.destroy(), 20);
  await proxyAgent(silent, new PassThrough(), output);
  await proxyAgent(silent, new PassThrough(), collector().stream, { signal: AbortSignal.timeout(20) });
});

test("an agent that is not there is an error", async () => {
  const gone = { kind: "tcp", host: "127.0.0.1", port: 1 } as const;
  await expect(proxyAgent(gone, new PassThrough(), new PassThrough())).rejects.toThrow("cannot be reached");
});
