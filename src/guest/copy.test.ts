import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ErrorCode } from "../errors/catalogue.ts";
import { EmberError } from "../errors/ember-error.ts";
import type { Progress } from "../types.ts";
import type { AgentChannel } from "./channel.ts";
import { connectAgent } from "./connect.ts";
import { copyIn } from "./copy-in.ts";
import { copyOut } from "./copy-out.ts";
import { type FakeAgent, startFakeAgent } from "./testing/fake-agent.ts";
import { serveFolder, type Twist } from "./testing/fake-sftp.ts";

let folder: string;
let guest: string;
let host: string;
let agent: FakeAgent;
let channel: AgentChannel;

async function serve(twist?: Twist): Promise<void> {
  agent = await startFakeAgent({ onSftp: serveFolder(guest, twist) });
  channel = await connectAgent(agent.target);
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "ember-copy-"));
  guest = join(folder, "guest");
  host = join(folder, "host");
  mkdirSync(guest);
  mkdirSync(host);
  await serve();
});

afterEach(async () => {
  channel.close();
  await agent.close();
  rmSync(folder, { recursive: true, force: true });
});

async function failureOf(promise: Promise<unknown>): Promise<EmberError> {
  const error = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (error instanceof EmberError) return error;
  throw error;
}

/** A folder with everything that can be copied. */
function plant(at: string): void {
  mkdirSync(join(at, "sub/empty"), { recursive: true });
  writeFileSync(join(at, "a b"), "spaces\n");
  writeFileSync(join(at, "sub/it's $HOME"), "quotes\n");
  writeFileSync(join(at, "sub/run"), "#!/bin/sh\n");
  chmodSync(join(at, "sub/run"), 0o4755);
  utimesSync(join(at, "sub/run"), 981_173_106, 981_173_106);
  symlinkSync("sub/run", join(at, "relative"));
  symlinkSync("/etc/passwd", join(at, "absolute"));
  symlinkSync("nowhere", join(at, "dangling"));
  for (let index = 0; index < 250; index += 1) writeFileSync(join(at, `sub/empty/${index}`), `${index}`);
  utimesSync(join(at, "sub/empty"), 981_173_106, 981_173_106);
  chmodSync(join(at, "sub/empty"), 0o750);
}

/** Names, types, modes, targets and content of all below a folder, times of files and folders. */
function picture(at: string): string[] {
  return readdirSync(at, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const path = join(at, name);
      const stats = lstatSync(path);
      const seconds = Math.floor(stats.mtimeMs / 1000);
      if (stats.isSymbolicLink()) return `${name} -> ${readlinkSync(path)}`;
      if (stats.isDirectory()) return `${name}/ ${(stats.mode & 0o777).toString(8)} ${seconds}`;
      return `${name} ${(stats.mode & 0o777).toString(8)} ${seconds} ${readFileSync(path, "utf8")}`;
    });
}

test("a folder arrives as it was, in the guest and back on the host", async () => {
  plant(join(host, "tree"));
  const report = await copyIn(channel, join(host, "tree"), "/copy", { recursive: true });
  expect(report.files).toBe(256);
  expect(picture(join(guest, "copy"))).toEqual(picture(join(host, "tree")));
  await copyOut(channel, "/copy", join(host, "back"), { recursive: true });
  expect(picture(join(host, "back"))).toEqual(picture(join(host, "tree")));
  expect(statSync(join(host, "back/sub/run")).mode & 0o7000).toBe(0);
});

test("the destination is the one that cp would choose", async () => {
  writeFileSync(join(host, "file"), "1");
  mkdirSync(join(guest, "folder"));
  await copyIn(channel, join(host, "file"), "/folder");
  await copyIn(channel, join(host, "file"), "/folder/");
  await copyIn(channel, join(host, "file"), "/folder/other");
  expect(readdirSync(join(guest, "folder")).sort()).toEqual(["file", "other"]);
  mkdirSync(join(host, "out"));
  await copyOut(channel, "/folder/file", join(host, "out"));
  await copyOut(channel, "/folder", join(host, "out"), { recursive: true });
  await copyOut(channel, "/folder/.", join(host, "out"), { recursive: true });
  await copyOut(channel, "/folder/", join(host, "new"), { recursive: true });
  expect(readdirSync(join(host, "out")).sort()).toEqual(["file", "folder", "other"]);
  expect(readdirSync(join(host, "out/folder")).sort()).toEqual(["file", "other"]);
  expect(readdirSync(join(host, "new")).sort()).toEqual(["file", "other"]);
});

test("what is missing or in the way is named", async () => {
  writeFileSync(join(host, "file"), "1");
  writeFileSync(join(guest, "file"), "1");
  mkdirSync(join(host, "folder"));
  mkdirSync(join(guest, "folder"));
  const cases: [() => Promise<unknown>, ErrorCode, string][] = [
    [() => copyIn(channel, join(host, "none"), "/"), "file-not-found", "none' is not there"],
    [
      () => copyIn(channel, join(host, "file"), "/none/x"),
      "file-not-found",
      "the folder '/none' is not there in the guest",
    ],
    [() => copyIn(channel, join(host, "file"), "/none/"), "file-not-found", "'/none/' is not there"],
    [() => copyIn(channel, join(host, "folder"), "/x"), "copy-failed", "is a folder"],
    [
      () => copyIn(channel, join(host, "folder"), "/file", { recursive: true }),
      "copy-failed",
      "'/file' is not a folder",
    ],
    [() => copyOut(channel, "/none", host), "file-not-found", "'/none' is not there in the guest"],
    [() => copyOut(channel, "/file", join(host, "none/x")), "file-not-found", "none' is not there"],
    [() => copyOut(channel, "/file", `${host}/none/`), "file-not-found", "none/' is not there"],
    [() => copyOut(channel, "/folder", join(host, "x")), "copy-failed", "is a folder"],
    [
      () => copyOut(channel, "/folder", join(host, "file"), { recursive: true }),
      "copy-failed",
      "is not a folder",
    ],
  ];
  for (const [copy, code, text] of cases) {
    const error = await failureOf(copy());
    expect(error.message).toContain(text);
    expect(error.code).toBe(code);
  }
});

test("big files arrive whole, larger and smaller ones than they said as well", async () => {
  const bytes = Buffer.from(
    Array.from({ length: 5_000_001 }, (_, index) => (index * 31 + (index >> 9)) & 255),
  );
  writeFileSync(join(host, "big"), bytes);
  const told: Progress[] = [];
  await copyIn(channel, join(host, "big"), "/big", { onProgress: (progress) => told.push(progress) });
  expect(readFileSync(join(guest, "big")).equals(bytes)).toBe(true);
  expect(told.at(-1)).toEqual({ step: "copied", done: bytes.length, total: bytes.length });
  await copyOut(channel, "/big", join(host, "back"));
  expect(readFileSync(join(host, "back")).equals(bytes)).toBe(true);
  for (const size of [0, 1, 1e9]) {
    await agent.close();
    await serve((_path, entries) => entries.map((entry) => ({ ...entry, attrs: { ...entry.attrs, size } })));
    await copyOut(channel, "/.", join(host, `as-${size}`), { recursive: true });
    expect(readFileSync(join(host, `as-${size}/big`)).equals(bytes)).toBe(true);
  }
});

test("a file appears whole or not at all, and nothing else is left", async () => {
  writeFileSync(join(guest, "file"), Buffer.alloc(4_000_000));
  writeFileSync(join(host, "file"), "old");
  const drop = { onProgress: (): void => agent.drop() };
  expect((await failureOf(copyOut(channel, "/file", join(host, "file"), drop))).code).toBe(
    "guest-unreachable",
  );
  expect(readFileSync(join(host, "file"), "utf8")).toBe("old");
  expect(readdirSync(host)).toEqual(["file"]);
});

test("an abort stops a copy and cleans up on both sides", async () => {
  writeFileSync(join(host, "file"), Buffer.alloc(40_000_000));
  const abort = new AbortController();
  const options = { signal: abort.signal, onProgress: (): void => abort.abort() };
  expect((await failureOf(copyIn(channel, join(host, "file"), "/file", options))).code).toBe("interrupted");
  expect(readdirSync(guest)).toEqual([]);
});

test("devices, pipes and sockets are left out and named", async () => {
  mkdirSync(join(host, "tree"));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(host, "tree/socket"), resolve));
  writeFileSync(join(host, "tree/file"), "1");
  const told: string[] = [];
  const report = await copyIn(channel, join(host, "tree"), "/tree", {
    recursive: true,
    onProgress: ({ step }) => told.push(step),
  });
  await new Promise((resolve) => server.close(resolve));
  expect(report.skipped).toEqual([join(host, "tree/socket")]);
  expect(told[0]).toContain("skipped");
  expect(readdirSync(join(guest, "tree"))).toEqual(["file"]);
});

test("a guest that names a file outside the folder is found out, and nothing is written there", async () => {
  mkdirSync(join(guest, "tree"));
  writeFileSync(join(guest, "tree/file"), "evil");
  for (const name of ["../evil", "..", ".", "", "/evil", "a/b", "evil\0", `${"../".repeat(20)}tmp/evil`]) {
    await agent.close();
    await serve((_path, entries) => entries.slice(2).map((entry) => ({ ...entry, filename: name })));
    const error = await failureOf(copyOut(channel, "/tree", join(host, "out"), { recursive: true })).catch(
      () => undefined,
    );
    // "." and ".." are in every honest listing as well, and are left out.
    if (name !== "." && name !== "..") expect(error?.message).toContain("as the name of a file in");
    expect(existsSync(join(host, "evil"))).toBe(false);
    rmSync(join(host, "out"), { recursive: true, force: true });
  }
});

test("a guest's symlink is never followed on the host while its folder is written", async () => {
  const outside = join(folder, "outside");
  mkdirSync(outside);
  mkdirSync(join(guest, "tree/real"), { recursive: true });
  writeFileSync(join(guest, "tree/real/file"), "evil");
  symlinkSync(outside, join(guest, "tree/link"));
  // The link is sent first; then a folder of the same name, with a file in it.
  await agent.close();
  await serve((path, entries) => {
    if (path !== "/tree") return entries;
    const [link, real] = ["link", "real"].map((name) => entries.find((entry) => entry.filename === name));
    if (link === undefined || real === undefined) throw new Error("the test's tree is incomplete");
    return [link, ...Array.from({ length: 99 }, () => link), { ...real, filename: "link" }];
  });
  const error = await failureOf(copyOut(channel, "/tree", join(host, "out"), { recursive: true }));
  expect(error.message).toContain("is in the way of a folder");
  expect(readdirSync(outside)).toEqual([]);
});

test("a symlink that stands where a file is written is replaced, not followed", async () => {
  const victim = join(folder, "victim");
  writeFileSync(victim, "precious");
  mkdirSync(join(host, "out"));
  symlinkSync(victim, join(host, "out/file"));
  mkdirSync(join(guest, "tree"));
  writeFileSync(join(guest, "tree/file"), "new");
  await copyOut(channel, "/tree/.", join(host, "out"), { recursive: true });
  expect(readFileSync(victim, "utf8")).toBe("precious");
  expect(readFileSync(join(host, "out/file"), "utf8")).toBe("new");
});

test("a folder on the host that is a symlink is used when the user named it, and refused below that", async () => {
  const real = join(folder, "real");
  mkdirSync(real);
  symlinkSync(real, join(host, "named"));
  mkdirSync(join(guest, "tree/sub"), { recursive: true });
  writeFileSync(join(guest, "tree/sub/file"), "1");
  await copyOut(channel, "/tree/.", join(host, "named"), { recursive: true });
  expect(readdirSync(real)).toEqual(["sub"]);
  rmSync(join(real, "sub"), { recursive: true });
  symlinkSync(guest, join(real, "sub"));
  const error = await failureOf(copyOut(channel, "/tree/.", join(host, "named"), { recursive: true }));
  expect(error.message).toContain("is in the way of a folder");
});
