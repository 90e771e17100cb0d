import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { EmberError } from "../errors/ember-error.ts";
import { writeCpio } from "../guest/initrd/cpio.ts";
import { scratchName } from "../storage/scratch.ts";
import { type ImportKernelOptions, importKernel } from "./import.ts";
import { getKernel, type Kernel, listKernels, removeKernel, scratchFolder, sweepKernels } from "./store.ts";
import { makeArm64Image, makeBzImage, makeVmlinux } from "./testing/fake-kernel.ts";

let folder = "";
let places = { kernelsDir: "", cacheDir: "" };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-kernels-"));
  places = { kernelsDir: join(folder, "kernels"), cacheDir: join(folder, "cache") };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: Buffer | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const take = (path: string, options: ImportKernelOptions = {}): Promise<Kernel> =>
  importKernel(places, path, { arch: "amd64", ...options });

async function failure(promise: Promise<unknown>): Promise<EmberError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof EmberError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

/** A scratch folder of a process that is gone. */
function abandoned(kind: "new" | "drop", name: string): string {
  const dead = spawnSync("true").pid;
  return join(
    places.kernelsDir,
    `.${name}.${scratchName(kind, "").replace(`-${process.pid}-`, `-${dead}-`)}`,
  );
}

describe("importing", () => {
  test("a vmlinux is kept as it is", async () => {
    const kernel = await take(file("vmlinux-6.1_Mine", makeVmlinux()));
    expect(kernel).toMatchObject({ name: "vmlinux-6.1-mine", version: "6.1.0-fake", format: "vmlinux" });
    expect(kernel.originalPath).toBeUndefined();
    expect(kernel.archive).toBeUndefined();
    expect(kernel.roots).toBeUndefined(); // nobody knows: its guests find out
    expect(readFileSync(kernel.bootPath).equals(makeVmlinux())).toBe(true);
    expect(listKernels(places)).toEqual([kernel]);
  });

  test("a bzImage is kept beside what was unpacked from it", async () => {
    const kernel = await take(file("bzImage", makeBzImage()), { name: "mine" });
    expect(kernel.name).toBe("mine");
    expect(readFileSync(kernel.originalPath ?? "").equals(makeBzImage())).toBe(true);
    expect(readFileSync(kernel.bootPath).equals(makeVmlinux())).toBe(true);
  });

  test("an initrd of its own goes along, compressed or not", async () => {
    const archive = writeCpio([{ type: "file", path: "a", mode: 0o644, content: Buffer.from("b") }]);
    for (const [name, content] of [
      ["plain", archive],
      ["packed", gzipSync(archive)],
    ] as const) {
      const kernel = await take(file("k", makeVmlinux()), { name, initrd: file("i", content) });
      expect(kernel.archive?.kind).toBe("foreign");
      expect(readFileSync(kernel.archive?.path ?? "").equals(content)).toBe(true);
    }
  });

  test("what is no kernel, no initrd, or not there leaves nothing", async () => {
    const vmlinux = file("k", makeVmlinux());
    expect((await failure(take(file("t", "hello")))).message).toContain("is a text file");
    expect((await failure(take(vmlinux, { initrd: file("t", "hello") }))).code).toBe("kernel-invalid");
    expect((await failure(take(vmlinux, { initrd: join(folder, "absent") }))).code).toBe("file-not-found");
    expect((await failure(take(join(folder, "absent")))).code).toBe("file-not-found");
    expect((await failure(take(folder, { name: "x" }))).code).toBe("kernel-invalid");
    expect((await failure(take("/dev/zero"))).message).toContain("not a regular file");
    expect(listKernels(places)).toEqual([]);
    expect(existsSync(places.kernelsDir) ? readdirSync(places.kernelsDir) : []).toEqual([]);
  });

  test("a kernel for another architecture is refused", async () => {
    const error = await failure(take(file("Image", makeArm64Image())));
    expect(error.message).toContain("arm64");
    expect((await importKernel(places, join(folder, "Image"), { arch: "arm64" })).format).toBe("Image");
  });

  test("a name that is taken, or is none, is refused before anything is read", async () => {
    await take(file("k", makeVmlinux()), { name: "mine" });
    expect((await failure(take("/nonexistent", { name: "mine" }))).code).toBe("kernel-exists");
    for (const name of ["../x", "", ".x", "A", "a b", "x".repeat(64), "a/b", "a\0"]) {
      expect((await failure(take("/nonexistent", { name }))).code).toBe("invalid-name");
    }
    expect((await failure(take(file("___", makeVmlinux())))).code).toBe("invalid-name");
  });
});

describe("the store", () => {
  test("says that a kernel is not there, and lists none where there is no folder", () => {
    expect(listKernels(places)).toEqual([]);
    expect(() => getKernel(places, "debian")).toThrow("there is no kernel 'debian'");
    expect(() => getKernel(places, "../x")).toThrow("cannot be a kernel's name");
  });

  test("removing is complete, and done again changes nothing", async () => {
    await take(file("k", makeVmlinux()), { name: "mine" });
    await removeKernel(places, "mine");
    await removeKernel(places, "mine");
    expect(readdirSync(places.kernelsDir)).toEqual([]);
  });

  test("a damaged record is said to be damaged, is not listed, and can be removed", async () => {
    await take(file("k", makeVmlinux()), { name: "mine" });
    const record = join(places.kernelsDir, "mine", "kernel.json");
    for (const content of [
      "",
      "{}",
      '{"recipe":1}',
      readFileSync(record, "utf8").replace("amd64", "../../x"),
    ]) {
      writeFileSync(record, content);
      expect(() => getKernel(places, "mine")).toThrow("is damaged");
      expect(listKernels(places)).toEqual([]);
    }
    await removeKernel(places, "mine");
    expect(readdirSync(places.kernelsDir)).toEqual([]);
  });
});

describe("sweeping", () => {
  test("removes what a killed import left, and nothing else", async () => {
    const kernel = await take(file("k", makeVmlinux()), { name: "mine.new-1" });
    const left = abandoned("new", "mine");
    mkdirSync(left);
    writeFileSync(join(left, "kernel"), "half");
    const inUse = scratchFolder(places, "new", "other");
    mkdirSync(inUse);
    expect(sweepKernels(places).length).toBe(1);
    expect(existsSync(left)).toBe(false);
    expect(existsSync(inUse)).toBe(true);
    expect(listKernels(places)).toEqual([kernel]);
    expect(sweepKernels(places)).toEqual([]);
  });

  test("brings a kernel back whose successor did not get there", async () => {
    const kernel = await take(file("k", makeVmlinux()), { name: "mine" });
    renameSync(join(places.kernelsDir, "mine"), abandoned("drop", "mine"));
    expect(listKernels(places)).toEqual([]);
    sweepKernels(places);
    expect(listKernels(places)).toEqual([kernel]);
  });

  test("removes a kernel whose successor is there", async () => {
    await take(file("k", makeVmlinux()), { name: "mine" });
    renameSync(join(places.kernelsDir, "mine"), abandoned("drop", "mine"));
    const successor = await take(file("k", makeBzImage()), { name: "mine" });
    sweepKernels(places);
    expect(readdirSync(places.kernelsDir)).toEqual(["mine"]);
    expect(getKernel(places, "mine")).toEqual(successor);
  });
});
