import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectSocket, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import type { AgentTarget } from "./channel.ts";
import { connectAgent, WrongHostKey } from "./connect.ts";
import { execInGuest } from "./exec.ts";
import { makeKeyPair } from "./keys.ts";
import { endWith, type FakeAgent, listenOnLoopback, startFakeAgent } from "./testing/fake-agent.ts";

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async (): Promise<void> => {
  for (const step of cleanUps.splice(0).reverse()) await step();
});

async function fakeAgent(...args: Parameters<typeof startFakeAgent>): Promise<FakeAgent> {
  const agent = await startFakeAgent(...args);
  cleanUps.push(() => agent.close());
  return agent;
}

/** A server that does what it likes with each connection. */
async function rawServer(
  serve: (socket: Socket) => void,
): Promise<{ port: number; connections: () => number }> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    serve(socket);
  });
  const port = await listenOnLoopback(server);
  cleanUps.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port, connections: () => connections };
}

function targetAt(port: number): AgentTarget {
  return {
    endpoint: { kind: "tcp", host: "127.0.0.1", port },
    hostPublicKey: makeKeyPair("").publicKey,
    clientPrivateKey: makeKeyPair("").privateKey,
    user: "root",
  };
}

async function failureOf(promise: Promise<unknown>): Promise<EmberError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (error instanceof EmberError) return error;
  throw error;
}

test("another host key than the pinned one is refused by name, and nothing is run", async () => {
  const agent = await fakeAgent();
  const target = { ...agent.target, hostPublicKey: makeKeyPair("").publicKey };
  const error = await failureOf(connectAgent(target));
  expect(error).toBeInstanceOf(WrongHostKey);
  expect(error.code).toBe("guest-unreachable");
  expect(error.message).toMatch(/shows host key SHA256:\S+ where SHA256:\S+ is expected/);
  expect(agent.executed).toEqual([]);
});

test("a key that the agent does not know is named as the reason", async () => {
  const agent = await fakeAgent();
  const error = await failureOf(
    connectAgent({ ...agent.target, clientPrivateKey: makeKeyPair("").privateKey }),
  );
  expect(error.message).toContain("does not accept ember's key for user 'root'");
});

test("a port where nobody listens fails without a second attempt", async () => {
  const { port } = await rawServer(() => undefined);
  await Promise.all(cleanUps.splice(0).map((step) => step()));
  const error = await failureOf(connectAgent(targetAt(port)));
  expect(error.code).toBe("guest-unreachable");
  expect(error.message).toContain("ECONNREFUSED");
});

test("a peer that speaks something else is refused", async () => {
  const { port } = await rawServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const error = await failureOf(connectAgent(targetAt(port)));
  expect(error.code).toBe("guest-unreachable");
});

test("an endless banner does not hold the client", async () => {
  const { port } = await rawServer((socket) => {
    const spill = (): void => {
      while (!socket.destroyed && socket.write("x".repeat(65_536)));
    };
    socket.on("drain", spill);
    spill();
  });
  const error = await failureOf(connectAgent(targetAt(port), { timeoutMs: 3000 }));
  expect(error.code).toBe("guest-unreachable");
});

test("a peer that says nothing is given up after the time limit", async () => {
  const { port } = await rawServer(() => undefined);
  const error = await failureOf(connectAgent(targetAt(port), { timeoutMs: 100 }));
  expect(error.message).toContain("did not answer within 100 ms");
});

test("a peer that stays silent can be given up early", async () => {
  const { port } = await rawServer(() => undefined);
  const error = await failureOf(connectAgent(targetAt(port), { firstByteTimeoutMs: 50 }));
  expect(error.message).toContain("said nothing for 50 ms");
});

test("a connection that breaks before the handshake is made again, three times in all", async () => {
  const server = await rawServer((socket) => socket.destroy());
  const error = await failureOf(connectAgent(targetAt(server.port)));
  expect(error.code).toBe("guest-unreachable");
  expect(server.connections()).toBe(3);
});

test("a second attempt that works is as good as the first", async () => {
  const agent = await fakeAgent();
  let refused = 0;
  const server = await rawServer((socket) => {
    if (refused++ === 0) return socket.destroy();
    const inner = connectSocket(agent.port, "127.0.0.1").on("error", () => undefined);
    socket.pipe(inner).pipe(socket);
    return undefined;
  });
  const channel = await connectAgent({
    ...agent.target,
    endpoint: { kind: "tcp", host: "127.0.0.1", port: server.port },
  });
  expect((await execInGuest(channel, ["true"])).exitStatus).toBe(0);
  channel.close();
  await channel.closed;
});

test("an abort ends the wait for a silent peer", async () => {
  const { port } = await rawServer(() => undefined);
  const error = await failureOf(connectAgent(targetAt(port), { signal: AbortSignal.timeout(50) }));
  expect(error.code).toBe("interrupted");
});

test("a connection that breaks during a command is reported, and the command is not run again", async () => {
  const agent: FakeAgent = await fakeAgent({ onExec: (stream) => stream.write("half", () => agent.drop()) });
  const channel = await connectAgent(agent.target);
  const error = await failureOf(execInGuest(channel, ["once"]));
  expect(error.code).toBe("guest-unreachable");
  expect(error.message).toContain("the command's end is not known");
  expect(error.hint).toContain("it may have run");
  expect(agent.executed.length).toBe(1);
  expect((await failureOf(execInGuest(channel, ["again"]))).code).toBe("guest-unreachable");
  expect(agent.executed.length).toBe(1);
});

test("a guest that floods a stream beyond its window loses the connection", async () => {
  // The test's server is made to ignore the window that the client has granted.
  const agent = await fakeAgent({
    onExec: (stream) => {
      const outgoing: unknown = Reflect.get(stream, "outgoing");
      if (typeof outgoing !== "object" || outgoing === null)
        throw new Error("ssh2 keeps its window elsewhere");
      // Pieces that do not divide the window, so that what is left of it is never exactly zero.
      Object.assign(outgoing, { window: 2 ** 31, packetSize: 30_000 });
      stream.write(Buffer.alloc(64 * 1024 * 1024));
    },
  });
  const channel = await connectAgent(agent.target);
  const session = await channel.exec("flood"); // nobody reads it
  await channel.closed;
  expect(channel.fault?.message).toContain("sent more data than it was allowed to");
  expect(session.stream.readableLength).toBeLessThan(8 * 1024 * 1024);
});

test("the hypervisor's socket is asked for the port, and its answer kept apart from the guest's first bytes", async () => {
  const agent = await fakeAgent({ onExec: (stream) => endWith(stream, 3) });
  const folder = mkdtempSync(join(tmpdir(), "ember-vsock-"));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "vm.vsock");
  let asked = "";
  const server = createServer((socket) => {
    socket.once("data", (line: Buffer) => {
      asked = line.toString();
      const inner = connectSocket(agent.port, "127.0.0.1").on("error", () => undefined);
      // The banner arrives in the same packet as the answer.
      inner.once("data", (banner: Buffer) => {
        socket.write(Buffer.concat([Buffer.from("OK 1073741824\n"), banner]));
        inner.pipe(socket);
      });
      socket.on("error", () => undefined).pipe(inner);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  cleanUps.push(() => new Promise((resolve) => server.close(() => resolve())));
  const channel = await connectAgent({ ...agent.target, endpoint: { kind: "vsock-uds", path, port: 1022 } });
  expect(asked).toBe("CONNECT 1022\n");
  expect((await execInGuest(channel, ["true"])).exitStatus).toBe(3);
  channel.close();
  await channel.closed;
});

test("a hypervisor that refuses the port, or closes, is told apart from a guest", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ember-vsock-"));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  for (const [answer, expected] of [
    ["", "has no listener on that port"],
    ["NO\n", "was refused by the hypervisor"],
    ["x".repeat(100), "did not answer as a vsock socket does"],
  ] as const) {
    const path = join(folder, "vm.vsock");
    const server = createServer((socket) => {
      socket.on("error", () => undefined).once("data", () => socket.end(answer));
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const target: AgentTarget = { ...targetAt(0), endpoint: { kind: "vsock-uds", path, port: 1022 } };
    const error = await failureOf(connectAgent(target));
    await new Promise<void>((resolve) => server.close(() => resolve()));
    expect(error.message).toContain(expected);
  }
});
