import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "../../test/support/require.ts";
import { EmberError } from "../errors/ember-error.ts";
import { readCpio } from "../guest/testing/read-cpio.ts";
import { lookUpTool } from "../host/tools.ts";
import type { RootFileSystem } from "../types.ts";
import { type PullOptions, pullPreset } from "./presets.ts";
import { rootArchive } from "./roots.ts";
import { getKernel, type Kernel, listKernels } from "./store.ts";
import {
  abi,
  type FakeArchiveOptions,
  kernelFiles,
  makeArchive,
  makeDeb,
  paths,
  TestKey,
} from "./testing/fake-archive.ts";
import { breakOffAfter, stallAfter, status, WebServer } from "./testing/web-server.ts";

const present = lookUpTool("gpg") !== undefined && lookUpTool("gpgv") !== undefined;
const skip = skipUnless("gpg", present, "gpg and gpgv are not installed");

describe.skipIf(skip)("pulling the preset debian", () => {
  let key: TestKey;
  let folder = "";
  let server: WebServer;
  let places = { kernelsDir: "", cacheDir: "" };

  beforeAll(() => {
    key = new TestKey();
  });
  afterAll(() => key[Symbol.dispose]());
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "ember-pull-"));
    places = { kernelsDir: join(folder, "kernels"), cacheDir: join(folder, "cache") };
    server = await WebServer.start(makeArchive(key));
  });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  function publish(options: FakeArchiveOptions): void {
    for (const [path, content] of makeArchive(key, options)) server.files.set(path, content);
  }

  const pull = (options: PullOptions = {}): Promise<Kernel> =>
    pullPreset(places, "debian", {
      arch: "amd64",
      from: {
        archives: [{ uri: `${server.url}/debian`, suite: "bookworm" }],
        keyringPath: key.keyringPath,
        limits: { attempts: 3, delayMs: 1, idleLimitMs: 5000 },
      },
      ...options,
    });

  async function failure(options: PullOptions = {}): Promise<EmberError> {
    const before = listKernels(places);
    try {
      await pull(options);
    } catch (error) {
      if (!(error instanceof EmberError)) throw error;
      expect(listKernels(places)).toEqual(before);
      const left = [folderNames(places.kernelsDir), folderNames(join(places.cacheDir, "debian"))].flat();
      expect(left.filter((name) => name.includes("tmp"))).toEqual([]);
      return error;
    }
    throw new Error("it did not fail");
  }

  test("gives a kernel, unpacked, with the modules that guests need in the order in which they load", async () => {
    const steps = new Set<string>();
    const kernel = await pull({ onProgress: ({ step }) => steps.add(step) });
    expect(kernel).toMatchObject({
      name: "debian",
      version: abi,
      arch: "amd64",
      bootable: ["bzimage", "pvh", "elf"],
    });
    expect(kernel.source).toContain("6.1.9-1");
    expect(readFileSync(kernel.bootPath).toString("latin1", 1, 4)).toBe("ELF");
    expect(
      readFileSync(kernel.originalPath ?? "").equals(
        kernelFiles(abi)[`boot/vmlinuz-${abi}`] ?? Buffer.alloc(0),
      ),
    ).toBe(true);
    const entries = readCpio(readFileSync(kernel.archive?.path ?? ""));
    const list = entries.find((entry) => entry.path === "lib/modules/ember/modules.load");
    expect(list?.content.toString().split("\n")).toEqual([
      "virtio.ko",
      "virtio_ring.ko",
      "virtio_pci.ko",
      "virtio_blk.ko",
      "failover.ko",
      "net_failover.ko",
      "virtio_net.ko",
      "",
    ]);
    const module = entries.find((entry) => entry.path === "lib/modules/ember/virtio_blk.ko");
    expect(module?.content.toString("latin1")).toEndWith("~Module signature appended~\n");
    expect(getKernel(places, "debian")).toEqual(kernel);
    expect(statSync(places.kernelsDir).mode & 0o777).toBe(0o700);
    expect(steps.size).toBeGreaterThan(2);
  });

  const rootList = (kernel: Kernel, fileSystem: RootFileSystem): string[] => {
    const path = rootArchive(kernel, fileSystem)?.path;
    const entries = path === undefined ? [] : readCpio(readFileSync(path));
    const list = entries.find((entry) => entry.path === "lib/modules/ember/root.load")?.content;
    const names = list?.toString().trim().split("\n") ?? [];
    for (const name of names)
      expect(entries.map((entry) => entry.path)).toContain(`lib/modules/ember/${name}`);
    return names;
  };

  test("keeps what only a guest with another root needs apart from what all need", async () => {
    const kernel = await pull();
    expect(rootList(kernel, "xfs")).toEqual(["libcrc32c.ko", "xfs.ko"]);
    expect(rootList(kernel, "btrfs")).toEqual(["xor.ko", "libcrc32c.ko", "btrfs.ko"]);
    expect(rootArchive(kernel, "ext4")).toBeUndefined();
    const base = readCpio(readFileSync(kernel.archive?.path ?? "")).map((entry) => entry.path);
    expect(base.filter((path) => /xfs|btrfs|crc32c|root\.load/.test(path))).toEqual([]);
    expect(kernel.sizeBytes).toBe(sizeOfFiles(join(places.kernelsDir, "debian")));
  });

  test("is no worse a kernel without the drivers of other roots, or with a part of one", async () => {
    const files = kernelFiles(abi);
    const list = `lib/modules/${abi}/modules.builtin`;
    files[list] = Buffer.concat([files[list] ?? Buffer.alloc(0), Buffer.from("kernel/fs/xfs/xfs.ko\n")]);
    delete files[`lib/modules/${abi}/kernel/crypto/xor.ko`];
    publish({ deb: makeDeb(files) });
    const kernel = await pull();
    expect(kernel.roots).toEqual([{ fileSystem: "xfs", archive: undefined }]);
    expect(rootArchive(kernel, "xfs")).toBeUndefined();
    expect(() => rootArchive(kernel, "btrfs")).toThrow("on btrfs, which the kernel 'debian' cannot mount");
  });

  test("as an older ember made it has none of those drivers, and is made anew from the same download", async () => {
    const { roots } = await pull();
    const path = join(places.kernelsDir, "debian", "kernel.json");
    const { roots: _, ...old } = { ...JSON.parse(readFileSync(path, "utf8")), recipe: 1 };
    writeFileSync(path, JSON.stringify(old));
    expect(() => rootArchive(getKernel(places, "debian"), "xfs")).toThrow("cannot mount");
    expect(getKernel(places, "debian").archive).toBeDefined();
    server.requests.length = 0;
    expect((await pull()).roots).toEqual(roots);
    expect(server.requests).toEqual([paths.release]);
  });

  test("again changes nothing and downloads only the signed list", async () => {
    const first = await pull();
    server.requests.length = 0;
    expect(await pull()).toEqual(first);
    expect(server.requests).toEqual([paths.release]);
  });

  test("a newer kernel takes the place of the one that is there", async () => {
    await pull();
    publish({ deb: makeDeb({ ...kernelFiles(abi), "usr/share/doc/new": Buffer.from("new") }) });
    const before = getKernel(places, "debian");
    const after = await pull();
    expect(after.sourceSha256).not.toBe(before.sourceSha256);
    expect(folderNames(places.kernelsDir)).toEqual(["debian"]);
  });

  test("a damaged record is made anew", async () => {
    const kernel = await pull();
    writeFileSync(join(places.kernelsDir, "debian", "kernel.json"), "{");
    expect((await pull()).version).toBe(kernel.version);
  });

  test("a damaged download in the cache is fetched again", async () => {
    const { sourceSha256 } = await pull();
    const cached = join(places.cacheDir, "debian", `${sourceSha256}.deb`);
    writeFileSync(cached, Buffer.alloc(statSync(cached).size));
    rmSync(places.kernelsDir, { recursive: true });
    server.requests.length = 0;
    await pull();
    expect(server.requests).toEqual([paths.release, paths.deb]);
  });

  test("survives a server that breaks off and one that is busy", async () => {
    server.misbehave(paths.release, status(503));
    server.misbehave(paths.deb, breakOffAfter(500));
    expect((await pull()).version).toBe(abi);
  });

  test("a changed list of packages is refused", async () => {
    const content = Buffer.from(server.files.get(paths.packages) ?? "");
    content[30] = (content[30] ?? 0) ^ 1;
    server.files.set(paths.packages, content);
    const error = await failure();
    expect(error.code).toBe("verification-failed");
    expect(error.hint).toContain("mirror");
  });

  test("a changed package is refused", async () => {
    const content = Buffer.from(server.files.get(paths.deb) ?? "");
    content[content.length - 5] = (content[content.length - 5] ?? 0) ^ 1;
    server.files.set(paths.deb, content);
    expect((await failure()).code).toBe("verification-failed");
  });

  test("a release signed by another key is refused", async () => {
    using other = new TestKey();
    server.files.set(paths.release, makeArchive(other).get(paths.release) ?? Buffer.alloc(0));
    const error = await failure();
    expect(error.code).toBe("verification-failed");
    expect(error.message).toContain("not signed by a key that is trusted");
  });

  test("a release whose text was changed, or that is not signed at all, is refused", async () => {
    const signed = server.files.get(paths.release)?.toString() ?? "";
    server.files.set(paths.release, Buffer.from(signed.replace("Origin: Test", "Origin: Evil")));
    expect((await failure()).message).toContain("does not match");
    server.files.set(paths.release, Buffer.from(signed.replace(/^-----BEGIN PGP SIGNATURE[\s\S]*/m, "")));
    expect((await failure()).code).toBe("verification-failed");
    server.files.set(paths.release, Buffer.from("Suite: bookworm\n"));
    expect((await failure()).message).toContain("no signed text");
  });

  test("what stands around the signed text is not believed", async () => {
    const evil = `SHA256:\n ${"0".repeat(64)} 1 main/binary-amd64/Packages.gz\n`;
    const signed = server.files.get(paths.release)?.toString() ?? "";
    server.files.set(paths.release, Buffer.from(`${evil}\n${signed}\n${evil}`));
    expect((await pull()).version).toBe(abi);
    server.files.set(paths.release, Buffer.from(signed + signed));
    rmSync(places.kernelsDir, { recursive: true });
    expect((await failure()).message).toContain("not well-formed");
  });

  test("another suite's release, one from the future and one that is out of date are refused", async () => {
    publish({ release: { Suite: "stable", Codename: "trixie" } });
    expect((await failure()).message).toContain("trixie");
    publish({ release: { Date: "Sat, 11 Jul 2099 10:16:37 UTC" } });
    const early = await failure();
    expect([early.code, early.hint]).toEqual(["verification-failed", "set this host's clock"]);
    publish({ release: { "Valid-Until": "Sun, 12 Jul 2020 10:16:37 UTC" } });
    expect((await failure()).message).toContain("valid until");
  });

  test("a list that names files elsewhere is refused", async () => {
    publish({
      editPackages: (text) => text.replace("Filename: pool/main/l/linux/meta", "Filename: ../../etc/x"),
    });
    expect((await failure()).message).toContain("../../etc/x");
  });

  test("an archive without the kernel is reported", async () => {
    publish({ editPackages: (text) => text.replace("Package: linux-image-cloud-amd64", "Package: other") });
    const error = await failure();
    expect(error.code).toBe("kernel-not-found");
    expect(error.message).toContain("linux-image-cloud-amd64");
    publish({ editPackages: (text) => text.replace(`Package: linux-image-${abi}`, "Package: other") });
    expect((await failure()).message).toContain(abi);
  });

  test("a file that the mirror does not have is reported", async () => {
    server.files.delete(paths.deb);
    const error = await failure();
    expect(error.code).toBe("download-failed");
    expect(error.message).toContain("404");
  });

  test("a package without a kernel, without a module that is needed, or that is none, is refused", async () => {
    publish({ deb: makeDeb({ "usr/share/doc/x": Buffer.from("x") }) });
    expect((await failure()).code).toBe("kernel-invalid");
    const files = kernelFiles(abi);
    delete files[`lib/modules/${abi}/kernel/net/core/failover.ko`];
    publish({ deb: makeDeb(files) });
    expect((await failure()).message).toContain("'failover', which 'net_failover' needs");
    publish({ deb: Buffer.from("not a package") });
    expect((await failure()).code).toBe("image-invalid");
  });

  test("an abort leaves what was there, and nothing half made", async () => {
    await pull();
    cpSync(places.kernelsDir, join(folder, "copy"), { recursive: true });
    publish({ deb: makeDeb({ ...kernelFiles(abi), "usr/share/doc/new": Buffer.from("new") }) });
    const stop = new AbortController();
    server.misbehave(
      paths.deb,
      stallAfter(300, () => stop.abort()),
    );
    expect((await failure({ signal: stop.signal })).code).toBe("interrupted");
  });

  test("a preset that is not known is refused, and the known ones are named", async () => {
    const error = await pullPreset(places, "unknown").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "kernel-not-found", hint: expect.stringContaining("debian") });
  });
});

function sizeOfFiles(folder: string): number {
  const names = readdirSync(folder).filter((name) => name !== "kernel.json");
  return names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

function folderNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // it was never made
  }
}
