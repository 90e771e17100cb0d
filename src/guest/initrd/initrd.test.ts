import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCpio } from "../testing/read-cpio.ts";
import { buildBaseInitrd, type KernelArchive } from "./base.ts";
import { beginInitrd, finishInitrd } from "./compose.ts";
import { writeCpio } from "./cpio.ts";

const binary = Buffer.from("ember-guest itself");
const guestBinary = { sha256: "a".repeat(64), read: () => binary };
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-initrd-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function archive(kind: KernelArchive["kind"], name: string, content: string): KernelArchive {
  const bytes = writeCpio([{ type: "file", path: name, mode: 0o644, content: Buffer.from(content) }]);
  // Not a multiple of four, as a compressed archive may be.
  const cut = kind === "foreign" ? bytes.subarray(0, bytes.length - 3) : bytes;
  const path = join(folder, `${kind}.cpio`);
  writeFileSync(path, cut);
  return { path, kind, sha256: createHash("sha256").update(cut).digest("hex") };
}

const paths = (file: string): string[] => readCpio(readFileSync(file)).map((entry) => entry.path);

describe("buildBaseInitrd", () => {
  test("the guest binary is /init and the console's device is there", () => {
    const path = buildBaseInitrd({ guestBinary, archive: undefined, folder: join(folder, "cache") });
    const entries = readCpio(readFileSync(path));
    expect(entries.find((entry) => entry.path === "init")).toMatchObject({
      mode: 0o100755,
      content: binary,
    });
    expect(entries.find((entry) => entry.path === "dev/console")).toMatchObject({ major: 5, minor: 1 });
    expect(entries.find((entry) => entry.path === "dev/null")).toMatchObject({ major: 1, minor: 3 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("modules come after the guest binary, a user's archive before it", () => {
    const modules = archive("modules", "lib/modules/ember/virtio.ko", "x");
    const foreign = archive("foreign", "init", "another init");
    expect(paths(buildBaseInitrd({ guestBinary, archive: modules, folder })).slice(-2)).toEqual([
      "init",
      "lib/modules/ember/virtio.ko",
    ]);
    const entries = readCpio(readFileSync(buildBaseInitrd({ guestBinary, archive: foreign, folder })));
    expect(entries.findLast((entry) => entry.path === "init")?.content).toEqual(binary);
  });

  test("the driver of another root comes last, in a file of its own", () => {
    const modules = archive("modules", "lib/modules/ember/virtio.ko", "x");
    const usual = buildBaseInitrd({ guestBinary, archive: modules, folder });
    const before = readFileSync(usual);
    const rootArchive = {
      ...archive("modules", "lib/modules/ember/xfs.ko", "y"),
      path: join(folder, "xfs.cpio"),
    };
    renameSync(modules.path, rootArchive.path);
    archive("modules", "lib/modules/ember/virtio.ko", "x");
    const other = buildBaseInitrd({ guestBinary, archive: modules, rootArchive, folder });
    expect(other).not.toBe(usual);
    expect(paths(other)).toEqual([...paths(usual), "lib/modules/ember/xfs.ko"]);
    expect(buildBaseInitrd({ guestBinary, archive: modules, folder })).toBe(usual);
    expect(readFileSync(usual)).toEqual(before);
  });

  test("the same inputs give the same file, written once; others another", () => {
    const inputs = { guestBinary, archive: undefined, folder };
    const first = buildBaseInitrd(inputs);
    const { ino } = statSync(first);
    expect(buildBaseInitrd(inputs)).toBe(first);
    expect(statSync(first).ino).toBe(ino);
    expect(buildBaseInitrd({ ...inputs, guestBinary: { ...guestBinary, sha256: "b".repeat(64) } })).not.toBe(
      first,
    );
    expect(buildBaseInitrd({ ...inputs, archive: archive("modules", "a", "b") })).not.toBe(first);
  });
});

describe("the initrd of a VM", () => {
  test("the identity follows the base, and only the owner can read the file", async () => {
    const base = buildBaseInitrd({ guestBinary, archive: undefined, folder });
    const target = join(folder, "initrd");
    writeFileSync(target, "what was there before", { mode: 0o644 });
    await beginInitrd(base, target);
    await finishInitrd(target, '{"version":1}\n');
    const last = readCpio(readFileSync(target)).at(-1);
    expect(last).toMatchObject({ path: "ember/identity.json", mode: 0o100600 });
    expect(last?.content.toString()).toBe('{"version":1}\n');
    expect(paths(target).slice(0, 4)).toEqual(["dev", "dev/console", "dev/null", "init"]);
    expect(statSync(target).mode & 0o777).toBe(0o600);
    expect(readFileSync(base).length).toBeLessThan(statSync(target).size);
  });

  test("a base that anyone can read does not make the result so", async () => {
    const base = join(folder, "base");
    writeFileSync(base, writeCpio([]), { mode: 0o644 });
    await beginInitrd(base, join(folder, "initrd"));
    expect(statSync(join(folder, "initrd")).mode & 0o777).toBe(0o600);
  });

  test("a failure leaves no file", async () => {
    const target = join(folder, "initrd");
    await expect(beginInitrd(join(folder, "absent"), target)).rejects.toThrow("ENOENT");
    expect(readdirSync(folder)).toEqual([]);
    symlinkSync("/dev/full", target);
    await expect(finishInitrd(target, "{}")).rejects.toThrow("ENOSPC");
    expect(readdirSync(folder)).toEqual([]);
  });
});
