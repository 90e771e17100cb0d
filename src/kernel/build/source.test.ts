import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { skipUnless } from "../../../test/support/require.ts";
import { lookUpTool } from "../../host/tools.ts";
import { makeArchive, makeDeb, TestKey } from "../testing/fake-archive.ts";
import { makeSource } from "../testing/fake-source.ts";
import { WebServer } from "../testing/web-server.ts";
import { debianSource } from "./debian-source.ts";
import type { KernelSource } from "./source.ts";
import { type TarballRequest, tarballSource } from "./tarball-source.ts";

const present = ["gpg", "gpgv", "tar", "xz"].every((tool) => lookUpTool(tool) !== undefined);
const skip = skipUnless("gpg", present, "gpg, gpgv, tar or xz is not installed");
const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

let key: TestKey;
let folder = "";
let workplace = "";
beforeAll(() => {
  if (!skip) key = new TestKey();
});
afterAll(() => {
  if (!skip) key[Symbol.dispose]();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-source-"));
  workplace = join(folder, "work");
  mkdirSync(workplace);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(skip)("a tarball", () => {
  const tar = makeSource();
  const packed = gzipSync(tar);
  const from = (): string => join(folder, "linux-6.1.99.tar.gz");
  const fetch = (request: Partial<TarballRequest>): Promise<KernelSource> =>
    tarballSource({ from: from(), ...request }, workplace, {});

  beforeEach(() => {
    writeFileSync(from(), packed);
    writeFileSync(join(folder, "linux-6.1.99.tar.sign"), key.detachSign(tar));
    writeFileSync(join(folder, "keys.asc"), key.armoured());
  });

  test("is verified by a signature over the archive in it, with keys in either form", async () => {
    for (const keyring of [join(folder, "keys.asc"), key.keyringPath]) {
      rmSync(workplace, { recursive: true });
      mkdirSync(workplace);
      const source = await fetch({ keyring });
      expect(readFileSync(source.tarball).equals(tar)).toBe(true);
      expect(source.sha256).toBe(sha256(packed));
    }
  });

  test("is verified by its checksum", async () => {
    expect(readFileSync((await fetch({ sha256: sha256(packed).toUpperCase() })).tarball).equals(packed)).toBe(
      true,
    );
  });

  test("comes from an address too, with its signature beside it", async () => {
    const files = new Map([
      ["/v6/linux.tar.gz", packed],
      ["/v6/linux.tar.sign", key.detachSign(tar)],
    ]);
    await using server = await WebServer.start(files);
    await fetch({ from: `${server.url}/v6/linux.tar.gz`, keyring: join(folder, "keys.asc") });
    expect(server.requests).toEqual(["/v6/linux.tar.gz", "/v6/linux.tar.sign"]);
  });

  test("that is another, signed by somebody else, or not signed is refused", async () => {
    const keyring = join(folder, "keys.asc");
    const refused = async (request: Partial<TarballRequest>, message: string): Promise<void> => {
      rmSync(workplace, { recursive: true });
      mkdirSync(workplace);
      const error = await fetch(request).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: "verification-failed", message: expect.stringContaining(message) });
    };
    await refused({ sha256: "0".repeat(64) }, sha256(packed));
    using stranger = new TestKey();
    await refused({ keyring: stranger.keyringPath }, "not signed by a key that is trusted");
    writeFileSync(join(folder, "linux-6.1.99.tar.sign"), "nothing");
    await refused({ keyring }, "no signature");
    writeFileSync(join(folder, "linux-6.1.99.tar.sign"), key.detachSign(packed));
    await refused({ keyring }, "does not match");
    // Both are checked where both are given.
    writeFileSync(join(folder, "linux-6.1.99.tar.sign"), key.detachSign(tar));
    await refused({ keyring, sha256: "0".repeat(64) }, sha256(packed));
  });

  test("whose keys are none is refused", async () => {
    writeFileSync(join(folder, "keys.asc"), "-----BEGIN NOTHING-----\n");
    const error = await fetch({ keyring: join(folder, "keys.asc") }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "usage", message: expect.stringContaining("no public key") });
  });
});

describe.skipIf(skip)("Debian's source", () => {
  const tar = makeSource({ version: "6.1" });
  const deb = (): Buffer => {
    const xz = spawnSync("xz", ["-c"], { input: tar }).stdout;
    return makeDeb({ "usr/src/linux-source-6.1.tar.xz": xz, "usr/src/linux-patch.xz": Buffer.from("no") });
  };
  const path = "pool/main/l/linux/linux-source-6.1_6.1.9-1_all.deb";
  const entries = (content: Buffer): string =>
    [
      "Package: linux-source\nVersion: 6.1.9-1\nDepends: linux-source-6.1 (= 6.1.9-1)\nFilename: pool/m.deb\nSize: 1",
      `SHA256: ${"1".repeat(64)}\n\nPackage: linux-source-6.1\nVersion: 6.1.9-1\nFilename: ${path}`,
      `Size: ${content.length}\nSHA256: ${sha256(content)}\n`,
    ].join("\n");

  async function fetch(server: WebServer): Promise<KernelSource> {
    const archives = [{ uri: `${server.url}/debian`, suite: "bookworm" }];
    const from = { archives, keyringPath: key.keyringPath, limits: { attempts: 1, delayMs: 1 } };
    return await debianSource(join(folder, "cache"), workplace, from, {});
  }

  test("is the newest, checked up to the archive's signature, and the archive in its package", async () => {
    const content = deb();
    const files = makeArchive(key, { editPackages: (text) => `${text}\n${entries(content)}` });
    await using server = await WebServer.start(new Map([...files, [`/debian/${path}`, content]]));
    const source = await fetch(server);
    expect(source.description).toContain("linux-source-6.1 6.1.9-1");
    expect(source.sha256).toBe(sha256(content));
    expect(spawnSync("xz", ["-dc", source.tarball]).stdout.equals(tar)).toBe(true);
  });

  test("that is not what the archive signed for is refused", async () => {
    const content = deb();
    const files = makeArchive(key, { editPackages: (text) => `${text}\n${entries(content)}` });
    const other = Buffer.from(content);
    other.writeUInt8(other.readUInt8(other.length - 9) ^ 1, other.length - 9);
    await using server = await WebServer.start(new Map([...files, [`/debian/${path}`, other]]));
    await expect(fetch(server)).rejects.toMatchObject({ code: "verification-failed" });
  });

  test("that the mirror does not have is said", async () => {
    await using server = await WebServer.start(makeArchive(key));
    await expect(fetch(server)).rejects.toMatchObject({ code: "kernel-not-found" });
  });
});
