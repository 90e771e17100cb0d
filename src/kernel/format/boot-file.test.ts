import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { GuestArchitecture } from "../../guest/binary/architecture.ts";
import { importKernel } from "../import.ts";
import { type Kernel, removeKernel } from "../store.ts";
import { makeArm64Image, makeBzImage, makeVmlinux } from "../testing/fake-kernel.ts";
import { kernelImageFor } from "./boot-file.ts";

describe("the file that a hypervisor is given", () => {
  let folder = "";
  let places = { kernelsDir: "", cacheDir: "" };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ember-boot-file-"));
    places = { kernelsDir: join(folder, "kernels"), cacheDir: join(folder, "cache") };
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function take(content: Buffer, arch: GuestArchitecture = "amd64"): Promise<Kernel> {
    writeFileSync(join(folder, "kernel"), content);
    return importKernel(places, join(folder, "kernel"), { arch });
  }

  /** What Firecracker refuses, and ember keeps as it is: QEMU starts it by no other way. */
  const plain = makeVmlinux({ pvh: false });

  test("is the kept one where every form will do", async () => {
    const kernel = await take(makeBzImage({ payload: gzipSync(plain) }));
    expect(await kernelImageFor(kernel, "any")).toBe(kernel.bootPath);
  });

  test("is the kept one where that is uncompressed already", async () => {
    for (const content of [makeBzImage(), makeVmlinux(), plain]) {
      const kernel = await take(content);
      expect(await kernelImageFor(kernel, "uncompressed")).toBe(kernel.bootPath);
      await removeKernel(places, kernel.name);
    }
    const arm = await take(gzipSync(makeArm64Image()), "arm64");
    expect(await kernelImageFor(arm, "uncompressed")).toBe(arm.bootPath);
  });

  test("is the bzImage where nothing else boots, the one that was kept beside what came out of it too", async () => {
    const unpacked = await take(makeBzImage());
    expect(unpacked.originalPath).toBeDefined();
    expect(await kernelImageFor(unpacked, "boot-protocol")).toBe(unpacked.originalPath ?? "");
    await removeKernel(places, unpacked.name);
    const packed = await take(makeBzImage({ payload: gzipSync(plain) }));
    expect(await kernelImageFor(packed, "boot-protocol")).toBe(packed.bootPath);
    await removeKernel(places, packed.name);
    const none = await take(makeVmlinux());
    await expect(kernelImageFor(none, "boot-protocol")).rejects.toMatchObject({ code: "kernel-invalid" });
    await removeKernel(places, none.name);
    const arm = await take(gzipSync(makeArm64Image()), "arm64");
    expect(await kernelImageFor(arm, "boot-protocol")).toBe(arm.bootPath);
  });

  test("is unpacked once from a bzImage", async () => {
    const kernel = await take(makeBzImage({ payload: gzipSync(plain) }));
    const path = await kernelImageFor(kernel, "uncompressed");
    expect(dirname(path)).toBe(dirname(kernel.bootPath));
    expect(readFileSync(path).equals(plain)).toBe(true);
    const made = statSync(path).ino;
    expect(await kernelImageFor(kernel, "uncompressed")).toBe(path);
    expect(statSync(path).ino).toBe(made);
    expect(readFileSync(kernel.bootPath).equals(plain)).toBe(false);
  });

  test("is refused where there is none", async () => {
    for (const inner of [
      Buffer.from("bzip2 or so, which is not unpacked here"),
      gzipSync("no kernel at all"),
    ]) {
      const kernel = await take(makeBzImage({ payload: inner }));
      await expect(kernelImageFor(kernel, "uncompressed")).rejects.toMatchObject({ code: "kernel-invalid" });
      await removeKernel(places, kernel.name);
    }
  });
});
