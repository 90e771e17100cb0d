import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  closeSync,
  openSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { file, symlink } from "../../../test/support/images.ts";
import { skipUnless } from "../../../test/support/require.ts";
import { hostArchitecture } from "../../guest/binary/architecture.ts";
import { run } from "../../host/run.ts";
import { lookUpTool } from "../../host/tools.ts";
import { layerOf } from "../layers/testing/layers.ts";
import { writeLayers } from "../layers.ts";
import { gptDisk, sectorBytes, writeMbr } from "../partitions/testing/tables.ts";
import { tarOf } from "../tar/testing/tar-builder.ts";
import { fakeBtrfs, fakeXfs, rootTypeOf } from "../testing/superblocks.ts";
import { Workshop } from "../testing/workshop.ts";

// Cloud images, told and taken apart; test/e2e/cloud-image.test.ts boots one.

const noQemu = skipUnless(
  "qcow2",
  lookUpTool("qemu-img") !== undefined,
  "qcow2 images are not imported: qemu-img is not installed",
);
setDefaultTimeout(60_000);

const mib = 1024 ** 2;
const perMib = mib / sectorBytes;
const rootType = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
const machines = { amd64: 62, arm64: 183, riscv64: 243 };

let workshop: Workshop;
let made = 0;
beforeEach(async () => {
  workshop = await Workshop.make();
});
afterEach(() => workshop[Symbol.dispose]());

interface RootOptions {
  readonly machine?: keyof typeof machines;
  /** In place of those of a root. */
  readonly files?: readonly string[];
  readonly label?: string;
  readonly sizeMib?: number;
}

/** An ext4 file system. Its programs are links to each other, as distributions have them. */
async function fileSystem({ machine, files, label, sizeMib = 24 }: RootOptions = {}): Promise<Buffer> {
  const program = Buffer.alloc(200);
  program.writeUInt32BE(0x7f454c46, 0);
  program.writeUInt16LE(machines[machine ?? hostArchitecture()], 18);
  const root = [
    file("etc/os-release", "ID=test\n"),
    symlink("sbin", "usr/sbin"),
    symlink("usr/sbin/init", "/usr/lib/../../usr/lib/systemd/systemd"),
    { path: "usr/lib/systemd/systemd", content: program },
  ];
  const target = join(workshop.home, `file-system-${made++}`);
  await writeLayers({
    layers: [layerOf(tarOf(...(files?.map((path) => file(path, "x")) ?? root)))],
    target,
    sizeBytes: sizeMib * mib,
    label,
  });
  return readFileSync(target);
}

interface Part {
  readonly content: Buffer;
  readonly type?: string;
  readonly name?: string;
}

/** A disk with a GPT; its partitions follow each other from the first mebibyte on. Path of a raw file. */
function diskOf(...parts: readonly Part[]): string {
  let at = perMib;
  const entries = parts.map(({ content, type, name }) => {
    const first = at;
    at += Math.ceil(content.length / mib) * perMib;
    return { first, last: at - 1, ...(type && { type }), ...(name && { name }) };
  });
  const disk = gptDisk({ sectors: at + perMib, entries });
  for (const [index, { content }] of parts.entries())
    content.copy(disk, (entries[index]?.first ?? 0) * sectorBytes);
  return written(disk);
}

function written(disk: Buffer): string {
  const path = join(workshop.home, `disk-${made++}`);
  writeFileSync(path, disk);
  return path;
}

/** The disk of the image that importing makes. */
async function imported(path: string): Promise<Buffer> {
  const { id } = await workshop.images.import(path, { name: `image-${made++}` });
  return readFileSync(join(workshop.stateDir, "storage/images", `${id}.ext4`));
}

async function refusalOf(path: string): Promise<{ code: string; message: string; hint: string }> {
  const before = workshop.files();
  try {
    await workshop.images.import(path, { name: `image-${made++}` });
  } catch (error) {
    expect(workshop.files()).toEqual(before);
    if (!(error instanceof Error) || !("code" in error)) throw error;
    const hint = "hint" in error ? String(error.hint) : "";
    return { code: String(error.code), message: error.message, hint };
  }
  throw new Error("it was imported");
}

const convert = (...args: readonly string[]) => run("qemu-img", ["convert", "-f", "raw", ...args]);

describe("a raw disk", () => {
  test("gives its root partition, byte for byte, with holes where zeros are", async () => {
    const root = await fileSystem({ sizeMib: 64 });
    const path = diskOf({ content: Buffer.alloc(mib, "boot") }, { content: root });
    const { id, architecture, diskBytes } = await workshop.images.import(path, { name: "cloud" });
    const disk = join(workshop.stateDir, "storage/images", `${id}.ext4`);
    expect(readFileSync(disk).equals(root)).toBe(true);
    expect({ architecture, diskBytes }).toEqual({ architecture: hostArchitecture(), diskBytes: 64 * mib });
    expect(statSync(disk).blocks * 512).toBeLessThan(8 * mib);
    expect(await workshop.images.inspect("cloud")).toMatchObject({ source: path });
  });

  test("is told by its content: by GPT, by MBR, or as one file system as a whole", async () => {
    const root = await fileSystem();
    const mbr = Buffer.alloc(mib + root.length);
    root.copy(mbr, mib);
    writeMbr(mbr, 0, [{ type: 0x83, first: perMib, sectors: root.length / sectorBytes }]);
    for (const path of [diskOf({ content: root }), written(mbr), written(root)])
      expect((await imported(path)).equals(root)).toBe(true);
  });

  test("that is imported again is the same image, until the file changes", async () => {
    const path = diskOf({ content: await fileSystem() });
    const first = await workshop.images.import(path, { name: "cloud" });
    expect((await workshop.images.import(path, { name: "cloud" })).id).toBe(first.id);
    writeFileSync(path, readFileSync(diskOf({ content: await fileSystem({ sizeMib: 25 }) })));
    expect((await workshop.images.import(path, { name: "cloud" })).id).not.toBe(first.id);
  });

  test("that is written to meanwhile is no image", async () => {
    const path = diskOf({ content: await fileSystem() });
    const onProgress = ({ step }: { step: string }): void => {
      if (step === "writing the disk") appendFileSync(path, "x");
    };
    const importing = workshop.images.import(path, { name: "changed", onProgress });
    await expect(importing).rejects.toMatchObject({ code: "verification-failed" });
    expect(workshop.files()).toEqual([]);
  });

  test("whose partition is no whole number of mebibytes becomes a disk that is", async () => {
    const root = await fileSystem();
    const disk = Buffer.alloc(sectorBytes * 63 + root.length + 5000);
    root.copy(disk, 63 * sectorBytes);
    writeMbr(disk, 0, [{ type: 0x83, first: 63, sectors: root.length / sectorBytes + 3 }]);
    const found = await imported(written(disk));
    expect(found.length).toBe(root.length + mib);
    expect(found.subarray(0, root.length).equals(root)).toBe(true);
  });
});

describe("the root", () => {
  test("is the partition marked as one, else the one called so, else the largest", async () => {
    const [small, large] = [await fileSystem({ sizeMib: 24 }), await fileSystem({ sizeMib: 26 })];
    const labelled = await fileSystem({ sizeMib: 24, label: "cloudimg-rootfs" });
    const marked = { content: small, type: rootType };
    const found = async (...parts: readonly Part[]) => await imported(diskOf(...parts));
    expect((await found({ content: large }, { content: labelled }, marked)).equals(small)).toBe(true);
    expect((await found({ content: large }, { content: labelled })).equals(labelled)).toBe(true);
    expect((await found({ content: large }, { content: small, name: "root" })).equals(small)).toBe(true);
    expect((await found({ content: small }, { content: large })).equals(large)).toBe(true);
  });

  test("is never one that is none, whatever it is called", async () => {
    const root = await fileSystem();
    const boot = await fileSystem({ files: ["grub/grub.cfg", "vmlinuz"], sizeMib: 26, label: "root" });
    const path = diskOf({ content: boot, type: rootType }, { content: root });
    expect((await imported(path)).equals(root)).toBe(true);
    const none = await refusalOf(diskOf({ content: boot }, { content: Buffer.alloc(mib) }));
    expect(none).toMatchObject({ code: "image-invalid", hint: expect.stringContaining("/etc") });
    expect(none.message).toMatch(/1: ext4, 26M; 2: unknown, 1M/);
  });

  test("is passed over where it is damaged and another is whole; alone, it is refused", async () => {
    const root = await fileSystem();
    const broken = Buffer.from(await fileSystem({ sizeMib: 26 }));
    broken.fill(0xff, 4096, 8192); // its group descriptors
    expect((await imported(diskOf({ content: broken }, { content: root }))).equals(root)).toBe(true);
    const refused = await refusalOf(diskOf({ content: broken }));
    expect(refused).toMatchObject({ code: "image-invalid", hint: expect.stringContaining("checksum") });
  });

  test("for another architecture is recorded as that, and refused for one without guests", async () => {
    const foreign = hostArchitecture() === "amd64" ? "arm64" : "amd64";
    const path = diskOf({ content: await fileSystem({ machine: foreign }) });
    expect(await workshop.images.import(path, { name: "foreign" })).toMatchObject({ architecture: foreign });
    const none = await refusalOf(diskOf({ content: await fileSystem({ machine: "riscv64" }) }));
    expect(none).toMatchObject({ code: "unsupported", message: expect.stringContaining("amd64 nor arm64") });
  });

  test("that guests cannot boot from is refused with what it is and what to do", async () => {
    const withMark = (at: number, mark: string): Buffer => {
      const content = Buffer.alloc(mib);
      content.write(mark, at, "latin1");
      return content;
    };
    for (const [kind, content] of [
      ["LUKS", withMark(0, "LUKS\xba\xbe")],
      ["LVM", withMark(536, "LVM2 001")],
      ["f2fs", withMark(1024, "\x10\x20\xf5\xf2")],
      ["erofs", withMark(1024, "\xe2\xe1\xf5\xe0")],
    ] as const) {
      const boot = await fileSystem({ files: ["vmlinuz"] });
      const refused = await refusalOf(diskOf({ content: boot }, { content }));
      expect(refused).toMatchObject({ code: "unsupported", hint: expect.stringContaining("root.tar") });
      expect(refused.message).toContain(`partition 2, is on ${kind}`);
    }
    const marked = { content: withMark(0, "hsqs"), type: rootType };
    expect((await refusalOf(diskOf(marked, { content: await fileSystem() }))).message).toContain(
      "on squashfs",
    );
  });
});

describe.each([
  ["xfs", fakeXfs],
  ["btrfs", fakeBtrfs],
] as const)("a root on %s", (kind, make) => {
  const sizeBytes = 8 * mib;
  const imports = (path: string) => workshop.images.import(path, { name: `image-${made++}` });
  const diskOfImage = (id: string) => readFileSync(join(workshop.stateDir, "storage/images", `${id}.ext4`));

  test("is taken as it is, and the image says what it is on", async () => {
    const content = make({ sizeBytes });
    for (const path of [diskOf({ content: Buffer.alloc(mib) }, { content }), written(content)]) {
      const { id, fileSystem, architecture } = await imports(path);
      expect({ fileSystem, architecture }).toEqual({ fileSystem: kind, architecture: hostArchitecture() });
      expect(diskOfImage(id).equals(content)).toBe(true);
    }
    expect(await imports(diskOf({ content: await fileSystem() }))).toMatchObject({ fileSystem: "ext4" });
  });

  test("is for the architecture that its partition is marked with", async () => {
    const content = make({ sizeBytes });
    for (const architecture of ["amd64", "arm64"] as const)
      expect(await imports(diskOf({ content, type: rootTypeOf[architecture] }))).toMatchObject({
        architecture,
      });
  });

  test("is the marked one, else the named one, else the largest that is no other part of a system", async () => {
    const [small, large] = [make({ sizeBytes }), make({ sizeBytes: 9 * mib })];
    const labelled = make({ sizeBytes, label: "/" });
    const found = async (...parts: readonly Part[]) => diskOfImage((await imports(diskOf(...parts))).id);
    const boot = { content: large, type: "bc13c2ff-59e6-4262-a352-b275fd6f7172" };
    expect((await found({ content: large }, { content: small, type: rootType })).equals(small)).toBe(true);
    expect((await found({ content: large }, { content: labelled })).equals(labelled)).toBe(true);
    expect((await found({ content: small }, { content: large })).equals(large)).toBe(true);
    expect((await found(boot, { content: small })).equals(small)).toBe(true);
    const root = await fileSystem();
    expect((await found({ content: large }, { content: root })).equals(root)).toBe(true);
    const kernels = await fileSystem({ files: ["vmlinuz"] });
    expect((await found({ content: kernels }, { content: small })).equals(small)).toBe(true);
  });

  test("is none beside a larger file system that guests cannot boot from", async () => {
    const volumes = Buffer.alloc(9 * mib);
    volumes.write("LVM2 001", 536);
    const refused = await refusalOf(diskOf({ content: make({ sizeBytes }) }, { content: volumes }));
    expect(refused.message).toContain("partition 2, is on LVM");
  });

  test("that is not all there, or says what cannot be, is refused", async () => {
    const short = await refusalOf(diskOf({ content: make({ sizeBytes, claimedBytes: sizeBytes + mib }) }));
    expect(short).toMatchObject({ code: "image-invalid", message: expect.stringContaining("cut short") });
    const whole = await refusalOf(written(make({ sizeBytes, claimedBytes: 2 ** 42 })));
    expect(whole).toMatchObject({ code: "image-invalid", hint: expect.stringContaining("checksum") });
    const elsewhere =
      kind === "xfs"
        ? [(bytes: Buffer) => bytes.fill(0, 48, 56), (bytes: Buffer) => bytes.writeBigUInt64BE(9n, 16)]
        : [(bytes: Buffer) => bytes.writeBigUInt64LE(2n, 136)];
    for (const change of elsewhere) {
      const refused = await refusalOf(diskOf({ content: make({ sizeBytes, change }) }));
      expect(refused).toMatchObject({ code: "unsupported", hint: expect.stringContaining("root.tar") });
      expect(refused.message).toMatch(/device/);
    }
    const nonsense = (bytes: Buffer) =>
      bytes.fill(0xff, kind === "xfs" ? 4 : 112, kind === "xfs" ? 108 : 299);
    const broken = await refusalOf(diskOf({ content: make({ sizeBytes, change: nonsense }) }));
    expect(broken).toMatchObject({ code: "image-invalid", message: expect.stringContaining("damaged") });
  });
});

describe.each(["xfs", "btrfs"] as const)("a real %s", (kind) => {
  const tool = `mkfs.${kind}`;
  const missing = skipUnless(kind, lookUpTool(tool) !== undefined, `${tool} is not installed`);

  test.skipIf(missing)("is told by what its own tool writes", async () => {
    const path = written(Buffer.alloc(0));
    truncateSync(path, 320 * mib);
    await run(tool, ["-q", "-L", "mine", path]);
    expect(await workshop.images.import(path, { name: "real" })).toMatchObject({
      fileSystem: kind,
      diskBytes: 320 * mib,
    });
    truncateSync(path, 319 * mib);
    expect((await refusalOf(path)).message).toContain("cut short");
  });
});

describe("a file of another kind", () => {
  test("of disk is refused with how to convert it", async () => {
    for (const [kind, at, mark] of [
      ["VMDK", 0, "KDMV"],
      ["VHDX", 0, "vhdxfile"],
      ["VDI", 64, "\x7f\x10\xda\xbe"],
    ] as const) {
      const disk = Buffer.alloc(mib);
      disk.write(mark, at, "latin1");
      const refused = await refusalOf(written(disk));
      expect(refused).toMatchObject({
        code: "unsupported",
        hint: expect.stringContaining("qemu-img convert"),
      });
      expect(refused.message).toContain(kind);
    }
    const installer = Buffer.alloc(mib);
    installer.write("CD001", 32_769);
    expect((await refusalOf(written(installer))).hint).toContain("cloud image");
  });

  test("that has a disk in it is refused with how to unpack it", async () => {
    const raw = diskOf({ content: await fileSystem() });
    const compressed = written(gzipSync(readFileSync(raw)));
    expect(await refusalOf(compressed)).toMatchObject({
      code: "unsupported",
      hint: expect.stringContaining("gzip -dk"),
    });
    const archive = written(gzipSync(tarOf({ path: "disk.raw", content: "x" })));
    expect(await refusalOf(archive)).toMatchObject({
      code: "image-invalid",
      hint: expect.stringContaining("tar -xf"),
    });
  });

  test("with a table that cannot be is refused", async () => {
    const path = diskOf({ content: await fileSystem() });
    truncateSync(path, 9 * mib);
    expect(await refusalOf(path)).toMatchObject({
      code: "image-invalid",
      hint: expect.stringContaining("checksum"),
    });
  });
});

describe.skipIf(noQemu)("a qcow2 disk", () => {
  test("gives what the raw one does, compressed or not, in either version", async () => {
    const root = await fileSystem();
    const raw = diskOf({ content: root });
    const path = join(workshop.home, "disk.img");
    for (const options of [
      ["-c"],
      ["-c", "-o", "compression_type=zstd"],
      ["-o", "compat=0.10"],
      ["-c", "-o", "compat=0.10,cluster_size=4k"],
    ]) {
      await convert("-O", "qcow2", ...options, raw, path);
      expect((await imported(path)).equals(root)).toBe(true);
    }
  });

  test("that lies on another file, or is encrypted, is refused", async () => {
    const raw = diskOf({ content: await fileSystem() });
    const path = join(workshop.home, "disk.qcow2");
    await run("qemu-img", ["create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", path]);
    const lying = await refusalOf(path);
    expect(lying).toMatchObject({ code: "unsupported", hint: expect.stringContaining("make it whole") });
    expect(lying.message).toContain(raw.slice(0, 40));
    await run("qemu-img", ["create", "-q", "-f", "qcow2", path, "8M"]);
    // The header's crypt_method (docs/interop/qcow2): 2 is LUKS. qemu-img itself measures the processor first, and may fail in that.
    const file = openSync(path, "r+");
    writeSync(file, Uint8Array.of(0, 0, 0, 2), 0, 4, 32);
    closeSync(file);
    expect((await refusalOf(path)).message).toContain("encrypted");
  });

  test("that is cut short is refused, and leaves nothing", async () => {
    const path = join(workshop.home, "disk.qcow2");
    await convert("-O", "qcow2", "-c", diskOf({ content: await fileSystem() }), path);
    truncateSync(path, Math.floor(statSync(path).size / 3));
    expect(await refusalOf(path)).toMatchObject({ code: "image-invalid" });
  });
});
