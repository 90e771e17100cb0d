import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkGone, openControl } from "./control.ts";
import { done, hello } from "./protocol.ts";

const folder = mkdtempSync(join(tmpdir(), "ember-control-"));
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Somebody at a socket, who does that with each who comes. */
async function serving(act: (client: Socket) => void): Promise<string> {
  const path = join(folder, `s${servers.length}-${performance.now()}`);
  const server = createServer((client) => {
    client.on("error", () => undefined);
    act(client);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

const said = { ok: true, protocol: 1, version: "0.1.0", pid: 7, startedAt: "2026-01-01T00:00:00Z" };

test("an answer may come in pieces, and one after another", async () => {
  const path = await serving((client) => {
    client.on("data", () => {
      const line = `${JSON.stringify(said)}\n`;
      client.write(line.slice(0, 20));
      setTimeout(() => client.write(line.slice(20)), 10);
    });
  });
  using control = await openControl(path);
  for (let round = 0; round < 3; round++)
    expect(await control.ask({ op: "hello" }, hello)).toMatchObject({ pid: 7 });
});

test("a failure has the code that it is told with, and a remedy", async () => {
  for (const [code, expected] of [
    ["port-taken", "port-taken"],
    ["unsupported", "unsupported"],
    ["permission-denied", "permission-denied"],
    ["internal", "network-failed"],
    ["a code of the future", "network-failed"],
  ] as const) {
    const path = await serving((client) => {
      client.on("data", () => client.write(`${JSON.stringify({ error: { code, message: "why" } })}\n`));
    });
    using control = await openControl(path);
    const asked = control.ask({ op: "detach", id: "a" }, done);
    await expect(asked).rejects.toMatchObject({ code: expected, message: "why" });
  }
});

test("nobody there, and somebody who hangs up, are told apart from a failure", async () => {
  await expect(openControl(join(folder, "nobody"))).rejects.toBeInstanceOf(NetworkGone);
  const path = await serving((client) => client.on("data", () => client.destroy()));
  using control = await openControl(path);
  await expect(control.ask({ op: "status" }, done)).rejects.toBeInstanceOf(NetworkGone);
});

test("silence ends at its time limit", async () => {
  const path = await serving(() => undefined);
  using control = await openControl(path, 50);
  await expect(control.ask({ op: "status" }, done)).rejects.toMatchObject({
    code: "network-failed",
    message: "the network's process did not answer 'status' within 0.05 s",
  });
});

test("nonsense is no answer", async () => {
  for (const answer of ["", "{", "[]", '{"ok":false}', '{"ok":true,"protocol":"one"}']) {
    const path = await serving((client) => client.on("data", () => client.write(`${answer}\n`)));
    using control = await openControl(path);
    await expect(control.ask({ op: "hello" }, hello)).rejects.toMatchObject({ code: "network-failed" });
  }
});
