import { afterEach, expect, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
import { EmberError } from "../errors/ember-error.ts";
import { connectAgent } from "./connect.ts";
import { openForwards } from "./forward.ts";
import {
  type FakeAgent,
  type FakeAgentOptions,
  listenOnLoopback,
  startFakeAgent,
} from "./testing/fake-agent.ts";

const cleanUps: (() => Promise<unknown> | unknown)[] = [];
afterEach(async (): Promise<void> => {
  for (const step of cleanUps.splice(0).reverse()) await step();
});

/** A guest whose every port gives back what it is sent, once it was sent all of it. */
const echoAtEnd: NonNullable<FakeAgentOptions["onTcp"]> = (stream, host, port) => {
  const chunks: Buffer[] = [];
  stream.on("error", () => undefined);
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => stream.end(Buffer.concat([Buffer.from(`${host}:${port} `), ...chunks])));
};

async function forwarded(options: FakeAgentOptions = { onTcp: echoAtEnd }) {
  const agent: FakeAgent = await startFakeAgent(options);
  cleanUps.push(() => agent.close());
  const ports = [{ bind: "127.0.0.1", hostPort: 0, guestPort: 80 }];
  const forwarding = await openForwards(await connectAgent(agent.target), ports);
  cleanUps.push(() => forwarding[Symbol.asyncDispose]());
  return { agent, forwarding, port: forwarding.ports[0]?.hostPort ?? 0 };
}

/** Sends, closes its half, and gives what comes back until the other side closes; or the error's code. */
function exchange(port: number, text: string | Buffer): Promise<string> {
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    const socket: Socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("data", (chunk: Buffer) => received.push(chunk));
    socket.on("error", (error: Error & { code?: string }) => resolve(error.code ?? error.message));
    socket.on("end", () => resolve(Buffer.concat(received).toString()));
    socket.end(text);
  });
}

test("a connection reaches the guest's port, many at once, each with its own end", async () => {
  const { port } = await forwarded();
  const texts = Array.from({ length: 20 }, (_, index) => `message ${index}`);
  const answers = await Promise.all(texts.map((text) => exchange(port, text)));
  expect(answers).toEqual(texts.map((text) => `127.0.0.1:80 ${text}`));
});

test("megabytes pass in both directions", async () => {
  const { port } = await forwarded();
  const bytes = Buffer.alloc(5_000_000, "ember ");
  expect((await exchange(port, bytes)).length).toBe(bytes.length + "127.0.0.1:80 ".length);
});

test("a port where nobody listens in the guest is a connection that breaks, and the next one still works", async () => {
  let refuse = true;
  const { port } = await forwarded({
    onTcp: (stream, host, guestPort) => (refuse ? stream.close() : echoAtEnd(stream, host, guestPort)),
  });
  expect(await exchange(port, "x")).not.toContain("x");
  refuse = false;
  expect(await exchange(port, "y")).toBe("127.0.0.1:80 y");
});

test("when the guest goes away, the ports close and the forwarding says so", async () => {
  const { agent, forwarding, port } = await forwarded();
  agent.drop();
  await forwarding.closed;
  expect(await exchange(port, "x")).toBe("ECONNREFUSED");
});

test("disposing closes the ports and open connections, twice as well as once", async () => {
  const { forwarding, port } = await forwarded({
    onTcp: (stream) => stream.on("error", () => undefined).resume(),
  });
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve));
  const ended = new Promise((resolve) => socket.once("close", resolve));
  await forwarding[Symbol.asyncDispose]();
  await ended;
  await forwarding[Symbol.asyncDispose]();
  expect(await exchange(port, "x")).toBe("ECONNREFUSED");
});

test("a taken port is named, and none of the others stays open", async () => {
  const taken = createServer();
  const takenPort = await listenOnLoopback(taken);
  cleanUps.push(() => new Promise((resolve) => taken.close(resolve)));
  const spare = createServer();
  const sparePort = await listenOnLoopback(spare);
  await new Promise((resolve) => spare.close(resolve));
  const agent = await startFakeAgent();
  cleanUps.push(() => agent.close());
  const error = await openForwards(await connectAgent(agent.target), [
    { bind: "127.0.0.1", hostPort: sparePort, guestPort: 1 },
    { bind: "127.0.0.1", hostPort: takenPort, guestPort: 2 },
  ]).catch((reason: unknown) => reason);
  if (!(error instanceof EmberError)) throw error;
  expect(error.code).toBe("port-taken");
  expect(error.message).toContain(String(takenPort));
  expect(await exchange(sparePort, "x")).toBe("ECONNREFUSED");
});
