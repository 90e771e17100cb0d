import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { skipUnless } from "../../../test/support/require.ts";
import { EmberError } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { lookUpTool } from "../../host/tools.ts";
import { dice } from "../ext4/testing/dice.ts";
import { scratchFolder } from "../ext4/testing/disks.ts";
import { openQcow2 } from "./qcow2-disk.ts";

setDefaultTimeout(180_000);
const mib = 1024 ** 2;
const hasQemu = lookUpTool("qemu-img") !== undefined && lookUpTool("qemu-io") !== undefined;
const noQemu = skipUnless(
  "qcow2",
  hasQemu,
  "qcow2 disks are not read: qemu-img and qemu-io are not installed",
);

/** A raw base of 3 MiB and three overlays over it, of 4, 5 and 7 MiB, as QEMU leaves them. The result is the last one. */
async function makeChain(
  folder: string,
  options: string,
  roll: (below: number) => number,
  zeros = true,
): Promise<string> {
  const base = join(folder, "base");
  writeFileSync(base, Buffer.alloc(3 * mib, 0x11));
  let below = { name: "base", format: "raw" };
  for (const sizeMib of [4, 5, 7]) {
    const name = `${sizeMib}.qcow2`;
    const over = ["-b", below.name, "-F", below.format];
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-o", options, ...over, name, `${sizeMib}M`], {
      cwd: folder,
    });
    const commands = Array.from({ length: 12 }, () => {
      const [at, length] = [512 * roll(sizeMib * 2048 - 400), 512 * (1 + roll(399))];
      return zeros && roll(4) === 0
        ? `write -z ${at} ${length}`
        : `write -P ${1 + roll(255)} ${at} ${length}`;
    });
    await run("qemu-io", ["-f", "qcow2", ...commands.flatMap((command) => ["-c", command]), name], {
      cwd: folder,
    });
    below = { name, format: "qcow2" };
  }
  return join(folder, below.name);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "no error";
  } catch (error) {
    if (error instanceof EmberError) return error.code;
    throw error;
  }
}

async function readAll(path: string): Promise<Buffer> {
  await using disk = await openQcow2(path);
  return Buffer.from(await disk.read(0, Math.min(disk.sizeBytes, 8 * mib)));
}

describe.skipIf(noQemu)("a qcow2 disk", () => {
  const kinds = [
    "cluster_size=64k",
    "cluster_size=512",
    "cluster_size=2M",
    "compat=0.10",
    "lazy_refcounts=on",
  ];
  for (const [index, options] of kinds.entries()) {
    test(`shows what QEMU shows of a chain of files, read in pieces of any size: ${options}`, async () => {
      using folder = scratchFolder();
      const roll = dice(10 + index);
      // Version 2 has no way to say "zeros" of a cluster.
      const path = await makeChain(folder.path, options, roll, options !== "compat=0.10");
      const raw = join(folder.path, "raw");
      await run("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", path, raw]);
      const expected = readFileSync(raw);
      await using disk = await openQcow2(path);
      expect(disk.sizeBytes).toBe(7 * mib);
      expect((await disk.read(0, disk.sizeBytes)).equals(expected)).toBe(true);
      for (let round = 0; round < 200; round += 1) {
        const at = roll(7 * mib);
        const length = roll(round % 2 === 0 ? 5000 : 7 * mib - at);
        const found = await disk.read(at, Math.min(length, 7 * mib - at));
        expect(found.equals(expected.subarray(at, at + found.length))).toBe(true);
      }
    });
  }

  for (const options of [
    "compression_type=zlib",
    "compression_type=zstd",
    "compression_type=zstd,cluster_size=2M",
    "cluster_size=512",
    "compat=0.10",
  ]) {
    test(`that is compressed shows what was compressed: ${options}`, async () => {
      using folder = scratchFolder();
      const [raw, path] = [join(folder.path, "raw"), join(folder.path, "disk")];
      const roll = dice(3);
      // Text, noise that no compression makes smaller, and holes.
      const pieces = Array.from({ length: 40 }, (_, index) => {
        if (index % 3 === 0) return Buffer.alloc(100_000, `line ${index}\n`);
        return index % 3 === 1
          ? Buffer.from(Array.from({ length: 70_000 }, () => roll(256)))
          : Buffer.alloc(90_000);
      });
      const expected = Buffer.concat(pieces, 4 * mib);
      writeFileSync(raw, expected);
      await run("qemu-img", ["convert", "-c", "-f", "raw", "-O", "qcow2", "-o", options, raw, path]);
      await using disk = await openQcow2(path);
      expect((await disk.read(0, disk.sizeBytes)).equals(expected)).toBe(true);
      for (let round = 0; round < 100; round += 1) {
        const at = roll(4 * mib);
        const found = await disk.read(at, Math.min(roll(200_000), 4 * mib - at));
        expect(found.equals(expected.subarray(at, at + found.length))).toBe(true);
      }
      const broken = readFileSync(path);
      for (let at = Math.floor(broken.length / 2); at < broken.length; at += 97) broken[at] = roll(256);
      writeFileSync(path, broken);
      expect(["io-failed", "no error"]).toContain(await codeOf(readAll(path)));
    });
  }

  test("is refused where it is of a kind that ember never makes, or lies on what is not a file beside it", async () => {
    using folder = scratchFolder();
    const path = join(folder.path, "disk");
    const make = (...args: string[]) => run("qemu-img", ["create", "-q", "-f", "qcow2", ...args, path, "1M"]);
    const spoil = (at: number, bytes: readonly number[]): void => {
      const file = openSync(path, "r+");
      writeSync(file, Buffer.from(bytes), 0, bytes.length, at);
      closeSync(file);
    };
    await make("-o", "extended_l2=on");
    expect(await codeOf(openQcow2(path))).toBe("unsupported");
    await make("-o", `data_file=${join(folder.path, "data")}`);
    expect(await codeOf(openQcow2(path))).toBe("unsupported");
    for (const name of ["/etc/hostname", "nbd://localhost/x", 'json:{"driver":"null-co"}']) {
      await make("-u", "-b", name, "-F", "raw");
      expect(await codeOf(openQcow2(path))).toBe("unsupported");
    }
    await make("-u", "-b", "disk", "-F", "qcow2");
    expect(await codeOf(openQcow2(path))).toBe("io-failed"); // lies on itself
    await make();
    spoil(79, [2]); // marked as corrupt
    expect(await codeOf(openQcow2(path))).toBe("unsupported");
    writeFileSync(path, "no disk");
    expect(await codeOf(openQcow2(path))).toBe("io-failed");
  });

  test("that is damaged is read or refused, whatever is broken", async () => {
    using folder = scratchFolder();
    const roll = dice(99);
    const path = await makeChain(folder.path, "cluster_size=4k", roll);
    const whole = readFileSync(path);
    const places = Array.from({ length: whole.length / 4 }, (_, index) => index * 4).filter(
      (at) =>
        whole.readUInt32LE(at) !== 0 &&
        whole.readUInt32LE(at) !== whole.readUInt32LE((at + 4) % whole.length),
    );
    const codes = new Set<string>();
    for (let round = 0; round < 300; round += 1) {
      const broken = Buffer.from(whole);
      for (let number = 0; number <= roll(4); number += 1) {
        const at = round % 3 === 0 ? roll(112) : (places[roll(places.length)] ?? 0) + roll(4);
        broken[at] = roll(256);
      }
      writeFileSync(path, broken);
      codes.add(await codeOf(readAll(path)));
    }
    expect([...codes].filter((code) => !["no error", "io-failed", "unsupported"].includes(code))).toEqual([]);
    expect(codes).toContain("no error");
    expect(codes).toContain("io-failed");
    expect(statSync(path).size).toBe(whole.length);
  });
});
