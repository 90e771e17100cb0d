import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exchange, parseAnswer } from "./exchange.ts";

const cleanUps: (() => void)[] = [];
afterEach(() => {
  for (const step of cleanUps.splice(0).reverse()) step();
});

/** A server that answers each connection as it likes, and what it has heard. */
async function serverThat(serve: (socket: Socket) => void): Promise<{ path: string; heard: () => string }> {
  const folder = mkdtempSync(join(tmpdir(), "fc-exchange-"));
  const path = join(folder, "api.sock");
  let heard = "";
  const server: Server = createServer((socket) => {
    socket
      .on("error", () => undefined)
      .on("data", (chunk: Buffer) => {
        heard += chunk.toString();
      });
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  cleanUps.push(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  return { path, heard: () => heard };
}

const get = { method: "GET", path: "/" };

describe("an answer", () => {
  test("in pieces, cut anywhere, is put together", async () => {
    const text = 'HTTP/1.1 400 \r\nServer: Firecracker API\r\nContent-Length: 9\r\n\r\n{"é":1}\n';
    const { path } = await serverThat(async (socket) => {
      for (const byte of Buffer.from(text)) {
        socket.write(Uint8Array.of(byte));
        await Bun.sleep(0);
      }
    });
    expect(await exchange(path, get)).toEqual({ status: 400, text: '{"é":1}\n' });
  });

  test("without a body needs no length", () => {
    expect(parseAnswer("HTTP/1.1 204 \r\nConnection: keep-alive\r\n\r\n")).toEqual({ status: 204, text: "" });
  });

  test("that is not complete is waited for", () => {
    for (const part of ["", "HTTP/1.1 2", "HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\n{}"])
      expect(parseAnswer(part)).toBeUndefined();
  });

  for (const nonsense of ["hello\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "\r\n\r\n"]) {
    test(`${JSON.stringify(nonsense)} is none`, () => {
      expect(() => parseAnswer(nonsense)).toThrow("not of HTTP");
    });
  }

  test("without an end is not read to its end", async () => {
    const { path } = await serverThat((socket) => {
      const spill = (): void => {
        while (!socket.destroyed && socket.write("x".repeat(65_536)));
      };
      socket.on("drain", spill);
      spill();
    });
    await expect(exchange(path, get)).rejects.toThrow("has no end");
  });

  test("that is cut off is an error, and so is nobody at the socket", async () => {
    const { path } = await serverThat((socket) =>
      socket.end("HTTP/1.1 200 \r\nContent-Length: 10\r\n\r\n{}"),
    );
    await expect(exchange(path, get)).rejects.toThrow("closed");
    await expect(exchange(`${path}.missing`, get)).rejects.toThrow("ENOENT");
  });
});

test("a request has its body's length in bytes, and none without a body", async () => {
  const { path, heard } = await serverThat((socket) =>
    socket.on("data", () => socket.write("HTTP/1.1 204 \r\n\r\n")),
  );
  await exchange(path, { method: "PUT", path: "/a", body: { name: "é" } });
  await exchange(path, get);
  const [put = "", rest = ""] = heard().split("GET ");
  expect(put).toStartWith("PUT /a HTTP/1.1\r\n");
  expect(put).toEndWith('Content-Length: 13\r\n\r\n{"name":"é"}');
  expect(rest).not.toContain("Content-");
});

test("an abort ends the wait for an answer", async () => {
  const { path } = await serverThat(() => undefined);
  await expect(exchange(path, get, AbortSignal.timeout(20))).rejects.toThrow("interrupted");
  await expect(exchange(path, get, AbortSignal.abort())).rejects.toThrow("interrupted");
});
