import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { skipUnless } from "../../../test/support/require.ts";
import { readCpio } from "../../guest/testing/read-cpio.ts";
import { recogniseKernel } from "../format/recognise.ts";
import { packModules } from "../modules/pack.ts";
import { abi, kernelFiles, makeAr, makeDeb, makeTar } from "../testing/fake-archive.ts";
import { readArMembers } from "./ar.ts";
import { extractKernel, type KernelPackage } from "./extract.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-deb-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const modules = (): string => join(folder, "modules");

function deb(content: Buffer): string {
  const path = join(folder, "package.deb");
  writeFileSync(path, content);
  return path;
}

const extract = (content: Buffer, signal?: AbortSignal): Promise<KernelPackage> =>
  extractKernel(deb(content), modules(), signal);

describe("extractKernel", () => {
  test("takes what a kernel is made of, wherever the modules lie", async () => {
    const files = kernelFiles(abi);
    const moved = Object.fromEntries(
      Object.entries(files).map(([path, content]) => [path.replace(/^lib\//, "usr/lib/"), content]),
    );
    for (const content of [files, moved]) {
      const found = await extract(makeDeb(content));
      expect(found.version).toBe(abi);
      expect(found.kernel.equals(files[`boot/vmlinuz-${abi}`] ?? Buffer.alloc(0))).toBe(true);
      expect(found.config?.toString()).toBe("CONFIG_FAKE=y\n");
      expect(found.builtinList).toContain("ext4.ko");
      expect(readdirSync(modules())).toContain("virtio_blk.ko");
      rmSync(modules(), { recursive: true });
    }
  });

  test("writes nothing outside the modules' folder, whatever the names are", async () => {
    const files = { ...kernelFiles(abi), [`lib/modules/${abi}/kernel/x y.ko`]: Buffer.from("x") };
    await extract(
      makeDeb({
        ...files,
        [`lib/modules/${abi}/kernel/.ko`]: Buffer.from("x"),
        "etc/evil.ko": Buffer.from("x"),
      }),
    );
    expect(readdirSync(folder).sort()).toEqual(["modules", "package.deb"]);
    expect(readdirSync(modules()).filter((name) => !/^[a-z0-9_]+\.ko$/.test(name))).toEqual([]);
  });

  test("a package that is none, cut short, or without content is refused", async () => {
    const whole = makeDeb(kernelFiles(abi));
    await expect(extract(Buffer.from("hello"))).rejects.toMatchObject({ code: "image-invalid" });
    await expect(extract(whole.subarray(0, -100))).rejects.toMatchObject({ code: "image-invalid" });
    const without = makeAr([{ name: "debian-binary", content: Buffer.from("2.0\n") }]);
    await expect(extract(without)).rejects.toThrow("no content that can be read");
    const packed = gzipSync(makeTar(kernelFiles(abi)));
    const short = packed.subarray(0, packed.length / 2);
    await expect(extract(makeAr([{ name: "data.tar.gz", content: short }]))).rejects.toMatchObject({
      code: "image-invalid",
    });
  });

  test("an abort ends it", async () => {
    await expect(extract(makeDeb(kernelFiles(abi)), AbortSignal.abort())).rejects.toMatchObject({
      code: "interrupted",
    });
  });

  test("a header of the archive that is damaged is refused", async () => {
    const content = Buffer.from(makeDeb({}));
    content.write("-5        ", 8 + 48, "latin1");
    await expect(readArMembers(deb(content))).rejects.toThrow("no header at byte 8");
  });
});

const cached = findCached();
const skip = skipUnless("debian-kernel", cached !== undefined, "no Debian kernel package was downloaded yet");

test.skipIf(skip)("Debian's own package becomes a kernel with everything that guests need", async () => {
  const found = await extractKernel(cached ?? "", modules());
  const kernel = await recogniseKernel(found.kernel);
  expect(kernel.version).toBe(found.version);
  expect(kernel.bootable.length).toBeGreaterThan(0);
  const packed = await packModules({ folder: modules(), builtinList: found.builtinList });
  const entries = readCpio(packed.base ?? Buffer.alloc(0));
  const list =
    entries
      .find((entry) => entry.path.endsWith("modules.load"))
      ?.content.toString()
      .trim()
      .split("\n") ?? [];
  for (const name of ["virtio_blk.ko", "virtio_net.ko", "vmw_vsock_virtio_transport.ko"])
    expect(list).toContain(name);
  for (const name of list) expect(entries.map((entry) => entry.path)).toContain(`lib/modules/ember/${name}`);
  expect(packed.roots.map(({ fileSystem }) => fileSystem)).toEqual(["xfs", "btrfs"]);
  for (const { fileSystem, archive } of packed.roots) {
    const files = readCpio(archive ?? Buffer.alloc(0)).map((entry) => entry.path);
    expect(files).toContain(`lib/modules/ember/${fileSystem}.ko`);
    expect(files.filter((path) => list.includes(path.slice(path.lastIndexOf("/") + 1)))).toEqual([]);
  }
});

/** A kernel's package in the cache that the end-to-end tests share, if they have run; kernels' sources lie there too. */
function findCached(): string | undefined {
  // biome-ignore lint/style/noProcessEnv: tests are steered by it
  const cache = process.env["EMBER_BUILD_CACHE"] ?? join(homedir(), ".cache", "ember-build");
  const place = join(cache, "downloads", "debian");
  if (!existsSync(place)) return undefined;
  const packages = readdirSync(place).filter((entry) => entry.endsWith(".deb"));
  return packages
    .map((name) => join(place, name))
    .find((path) => packageName(path).startsWith("linux-image-"));
}

/** What dpkg says a package is; empty where there is no dpkg. */
function packageName(path: string): string {
  return spawnSync("dpkg-deb", ["--field", path, "Package"], { encoding: "utf8" }).stdout ?? "";
}
