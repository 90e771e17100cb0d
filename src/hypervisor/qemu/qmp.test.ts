import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { longestLineBytes } from "./line-splitter.ts";
import { type QmpSession, withQmp } from "./qmp.ts";

const undo: (() => void)[] = [];

afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

/** A socket at which `serve` plays QEMU; each message of the client goes to `answer`. */
async function fakeQemu(
  answer: (socket: Socket, message: { execute: string; id: number }) => void,
  greeting: string | undefined = '{"QMP": {"version": {}, "capabilities": []}}\r\n',
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "ember-qmp-"));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const server: Server = createServer((socket) => {
    undo.push(() => socket.destroy());
    socket.on("error", () => undefined);
    if (greeting !== undefined) socket.write(greeting);
    socket.on("data", (chunk) => {
      for (const line of chunk.toString().trim().split("\n")) answer(socket, JSON.parse(line));
    });
  });
  undo.push(() => server.close());
  const path = join(folder, "s");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

function reply(socket: Socket, id: number, value: unknown = {}): void {
  socket.write(`${JSON.stringify({ return: value, id })}\r\n`);
}

const limits = { timeoutMs: 20_000 };
const status = (session: QmpSession): Promise<unknown> => session.execute("query-status");

describe("a QMP session", () => {
  test("greets first, and matches answers to commands whatever comes between", async () => {
    const seen: string[] = [];
    const path = await fakeQemu((socket, { execute, id }) => {
      seen.push(execute);
      socket.write('{"event": "RESUME", "timestamp": {"seconds": 1}}\r\n');
      if (execute === "second") {
        reply(socket, id, "for second");
        reply(socket, id - 1, "for first");
      } else if (execute !== "first") reply(socket, id);
    });
    const answers = await withQmp(path, limits, (session) =>
      Promise.all([session.execute("first"), session.execute("second")]),
    );
    expect(answers).toEqual(["for first", "for second"]);
    expect(seen).toEqual(["qmp_capabilities", "first", "second"]);
  });

  test("reads messages that come in pieces, and several that come in one", async () => {
    const path = await fakeQemu((socket, { id }) => {
      const text = `{"event": "A"}\r\n\r\n${JSON.stringify({ return: { text: "é".repeat(50) }, id })}\r\n`;
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += 7) socket.write(bytes.subarray(at, at + 7));
    });
    expect(await withQmp(path, limits, status)).toEqual({ text: "é".repeat(50) });
  });

  test("a refused command gives QEMU's reason, and the session goes on", async () => {
    const path = await fakeQemu((socket, { execute, id }) => {
      if (execute !== "stop") return reply(socket, id, execute);
      socket.write(`${JSON.stringify({ error: { class: "GenericError", desc: "no such luck" }, id })}\n`);
    });
    const after = await withQmp(path, limits, async (session) => {
      await expect(session.execute("stop")).rejects.toThrow("the hypervisor refused: no such luck");
      return status(session);
    });
    expect(after).toBe("query-status");
  });

  test("what is no message ends the session with an error, not with a hang", async () => {
    for (const nonsense of [
      "SSH-2.0-OpenSSH\r\n",
      "[]\n",
      '{"hello": 1}\n',
      `${"[".repeat(200_000)}\n`,
      "\0\n",
    ]) {
      const path = await fakeQemu(() => undefined, nonsense);
      await expect(withQmp(path, limits, status)).rejects.toMatchObject({ code: "hypervisor-failed" });
    }
  });

  test("an endless message is cut off", async () => {
    const path = await fakeQemu(() => undefined, "x".repeat(longestLineBytes + 1));
    await expect(withQmp(path, limits, status)).rejects.toThrow("message longer than");
  });

  test("a QEMU that says nothing ends in a timeout, one that goes away in an error", async () => {
    const silent = await fakeQemu(() => undefined, "");
    await expect(withQmp(silent, { timeoutMs: 30 }, status)).rejects.toMatchObject({ code: "timeout" });
    const dying = await fakeQemu((socket, { execute, id }) => {
      if (execute === "query-status") socket.destroy();
      else reply(socket, id);
    });
    await expect(withQmp(dying, limits, status)).rejects.toMatchObject({ code: "hypervisor-failed" });
    await expect(withQmp(`${dying}-not`, limits, status)).rejects.toMatchObject({
      code: "hypervisor-failed",
    });
  });

  test("an abort ends it at once", async () => {
    const path = await fakeQemu(() => undefined, "");
    const signal = AbortSignal.timeout(20);
    await expect(withQmp(path, { ...limits, signal }, status)).rejects.toMatchObject({ code: "interrupted" });
    await expect(withQmp(path, { ...limits, signal }, status)).rejects.toMatchObject({ code: "interrupted" });
  });
});
