import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import type { DownloadOptions, ExpectedFile } from "./download.ts";
import { breakOffAfter, stallAfter, status, WebServer, wholeFile } from "./testing/web-server.ts";
import { fetchVerified } from "./verified-file.ts";

const content = randomBytes(300_000);
const expected: ExpectedFile = {
  sha256: createHash("sha256").update(content).digest("hex"),
  sizeBytes: content.length,
};
const limits = { attempts: 3, delayMs: 1, idleLimitMs: 2000 };

let folder = "";
let path = "";
let server: WebServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "ember-download-"));
  path = join(folder, "file");
  server = await WebServer.start(new Map([["/file", content]]));
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const get = (options: DownloadOptions = {}, wanted = expected): Promise<void> =>
  fetchVerified(`${server.url}/file`, wanted, path, { limits, ...options });

async function failure(promise: Promise<void>): Promise<EmberError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof EmberError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

function expectWhole(): void {
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(readdirSync(folder)).toEqual(["file"]);
}

describe("fetchVerified", () => {
  test("fetches a file, tells of its progress, and does not fetch it again", async () => {
    const seen: number[] = [];
    await get({ onProgress: (done) => seen.push(done) });
    expectWhole();
    expect(seen.at(-1)).toBe(content.length);
    await get();
    expect(server.requests).toEqual(["/file"]);
  });

  test("what is there and wrong is fetched again", async () => {
    writeFileSync(path, Buffer.alloc(content.length));
    await get();
    expectWhole();
    writeFileSync(path, "short");
    await get();
    expectWhole();
  });

  test("goes on where it broke off", async () => {
    server.misbehave("/file", breakOffAfter(100_000));
    await get();
    expectWhole();
    expect(server.requests.length).toBe(2);
    expect(server.requests[1]).toMatch(/^\/file\+[0-9]+$/);
  });

  test("begins anew with a server that cannot go on", async () => {
    server.misbehave("/file", breakOffAfter(100_000), wholeFile);
    await get();
    expectWhole();
  });

  test("an error of the server is tried again", async () => {
    server.misbehave("/file", status(500), status(503));
    await get();
    expectWhole();
    expect(server.requests.length).toBe(3);
  });

  test("an error that does not go away is reported, with the address and what the server said", async () => {
    server.misbehave("/file", status(500), status(500), status(500));
    const error = await failure(get());
    expect(error.code).toBe("download-failed");
    expect(error.message).toContain(`${server.url}/file`);
    expect(error.message).toContain("500");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a file that is not there is not asked for twice", async () => {
    server.files.clear();
    const error = await failure(get());
    expect(error.code).toBe("download-failed");
    expect(error.message).toContain("404");
    expect(error.hint).toContain("mirror");
    expect(server.requests.length).toBe(1);
  });

  test("a download that always breaks off is reported", async () => {
    server.misbehave("/file", breakOffAfter(10), breakOffAfter(10), breakOffAfter(10));
    expect((await failure(get())).code).toBe("download-failed");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a server that stops sending is given up on, and asked again", async () => {
    server.misbehave("/file", stallAfter(1000));
    await get({ limits: { ...limits, idleLimitMs: 100 } });
    expectWhole();
  });

  test("an abort ends it at once, whatever the server does, and leaves nothing", async () => {
    const stop = new AbortController();
    server.misbehave(
      "/file",
      stallAfter(1000, () => stop.abort()),
    );
    const error = await failure(get({ signal: stop.signal, limits: { idleLimitMs: 600_000 } }));
    expect(error.code).toBe("interrupted");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("an abort ends the wait before another attempt", async () => {
    const stop = new AbortController();
    server.misbehave("/file", (_request, response) => {
      response.writeHead(500).end(() => setTimeout(() => stop.abort(), 20));
      return true;
    });
    const error = await failure(get({ signal: stop.signal, limits: { delayMs: 600_000 } }));
    expect(error.code).toBe("interrupted");
  });

  test("other bytes, and more bytes, than the list says are refused", async () => {
    const tampered = Buffer.from(content);
    tampered[5] = (tampered[5] ?? 0) ^ 1;
    server.files.set("/file", tampered);
    expect((await failure(get())).code).toBe("verification-failed");
    server.files.set("/file", Buffer.concat([content, content]));
    expect((await failure(get())).code).toBe("verification-failed");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a file shorter than the list says is reported as what it is", async () => {
    server.files.set("/file", content.subarray(0, 1000));
    const error = await failure(get());
    expect(error.code).toBe("download-failed");
    expect(error.message).toContain("missing");
  });

  test("nobody there is reported with a hint at the network", async () => {
    const { url } = server;
    await server[Symbol.asyncDispose]();
    const error = await failure(fetchVerified(`${url}/file`, expected, path, { limits }));
    expect(error.code).toBe("download-failed");
    expect(error.hint).toContain("network");
    server = await WebServer.start(new Map());
  });
});
