import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestInstallation } from "../support/ember.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// Ports that ember-vz publishes itself, since Apple's network forwards none.
let ember: TestInstallation;
let work: string;
let ports: { readonly tcp: number; readonly udp: number; readonly local: number; readonly alone: number };

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "ember-work-"));
  writeBusyboxTar(join(work, "rootfs.tar"));
  ember = new TestInstallation();
  const [tcp = 0, udp = 0, local = 0, alone = 0] = await Promise.all([1, 2, 3, 4].map(freePort));
  ports = { tcp, udp, local, alone };
  await ember.ok(["init"]);
  await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
  const reach = join(work, "reach");
  const source = join(import.meta.dir, "../support/reach/main.go");
  execFileSync("go", ["build", "-o", reach, source], { env: { ...process.env, CGO_ENABLED: "0" } });
  const published = ["-p", `${tcp}:7000`, "-p", `${udp}:7000/udp`, "-p", `${local}:81`];
  await serve("web", reach, published);
  await ember.ok(["exec", "web", "--", "/bin/busybox", "httpd", "-p", "127.0.0.1:81"]);
  await serve("alone", reach, ["--egress", "none", "-p", `${alone}:7000`]);
}, 300_000);

afterAll(async () => {
  await ember.ok(["deinit", "--purge"]);
  expect(ember.leftovers()).toEqual([]);
  await ember[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

/** A VM whose port 7000 echoes, for TCP and UDP. */
async function serve(name: string, program: string, flags: readonly string[]): Promise<void> {
  await ember.ok(["vm", "create", name, "--image", "busybox", "--memory", "256M", ...flags]);
  await ember.ok(["cp", program, `${name}:/bin/reach`]);
  await ember.ok(["exec", name, "--detach", "--", "/bin/reach", "echo"]);
}

test("a stream arrives whole, both ways at once, and its end too", async () => {
  const sent = crypto.getRandomValues(new Uint8Array(65_536));
  const rounds = 200;
  const echoed = await untilAnswered(() => echo(ports.tcp, sent, rounds));
  expect(echoed.length).toBe(sent.length * rounds);
  const hash = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  const expected = new Uint8Array(sent.length * rounds);
  for (let round = 0; round < rounds; round++) expected.set(sent, round * sent.length);
  expect(hash(echoed)).toBe(hash(expected));
}, 120_000);

test("many connections at once do not mix", async () => {
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      echo(ports.tcp, new TextEncoder().encode(`number ${index};`), 50),
    ),
  );
  for (const [index, answer] of answers.entries())
    expect(new TextDecoder().decode(answer)).toBe(`number ${index};`.repeat(50));
}, 60_000);

test("datagrams are answered, each to whoever sent it", async () => {
  const clients = ["one", "two", "three"];
  expect(await Promise.all(clients.map((text) => untilAnswered(() => ask(ports.udp, text))))).toEqual(
    clients,
  );
}, 60_000);

test("what listens on the guest's loopback only is not published", async () => {
  await expect(echo(ports.local, new Uint8Array(1), 1)).rejects.toThrow(/ECONNRESET|EPIPE/);
});

test("a VM without a network has its ports all the same", async () => {
  const bytes = new TextEncoder().encode("still here");
  expect(await untilAnswered(() => echo(ports.alone, bytes, 1))).toEqual(bytes);
  expect(await ember.ok(["exec", "alone", "--", "ls", "/sys/class/net"])).toBe("lo");
});

test("a port is the host's again when its VM has stopped", async () => {
  await ember.ok(["vm", "stop", "web"]);
  await expect(echo(ports.tcp, new Uint8Array(1), 1)).rejects.toThrow("ECONNREFUSED");
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Sends `bytes` so many times and says that this is all; what came back, once the other side has ended too. */
async function echo(port: number, bytes: Uint8Array, times: number): Promise<Uint8Array> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.setTimeout(30_000, () => socket.destroy(new Error("silent")));
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  const ended = once(socket, "end");
  ended.catch(() => undefined); // awaited below
  await once(socket, "connect");
  for (let time = 0; time < times; time++)
    if (!socket.write(bytes)) await Promise.race([once(socket, "drain"), ended]);
  socket.end();
  await ended;
  return new Uint8Array(Buffer.concat(chunks));
}

async function ask(port: number, text: string): Promise<string> {
  const socket = createSocket("udp4");
  try {
    socket.send(text, port, "127.0.0.1");
    const [answer] = await once(socket, "message", { signal: AbortSignal.timeout(2000) });
    return String(answer);
  } finally {
    socket.close();
  }
}

/** The guest's services start beside its agent, not before it. */
async function untilAnswered<T>(attempt: () => Promise<T>): Promise<T> {
  for (let number = 0; ; number++) {
    try {
      return await attempt();
    } catch (error) {
      if (number === 20) throw error;
      await Bun.sleep(250);
    }
  }
}
