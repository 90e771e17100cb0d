import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { skipUnless } from "../../../test/support/require.ts";
import { lookUpTool } from "../../host/tools.ts";
import { memoryDisk } from "../disk/testing/memory-disk.ts";
import { scratchFolder } from "../ext4/testing/disks.ts";
import { readPartitions } from "./read.ts";
import { gptDisk, linuxType, repairGpt, sectorBytes, writeMbr } from "./testing/tables.ts";

setDefaultTimeout(60_000);

const noSfdisk = skipUnless("sfdisk", lookUpTool("sfdisk") !== undefined, "sfdisk is not installed");
const two = [
  { first: 10, last: 19, name: "boot" },
  { first: 20, last: 89, name: "root" },
];

/** Number, first sector, number of sectors, type and name of each. */
async function read(disk: Buffer, sector: number = sectorBytes): Promise<unknown> {
  const found = await readPartitions(memoryDisk(disk));
  return found?.map(({ number, startBytes, sizeBytes, type, name }) => [
    number,
    startBytes / sector,
    sizeBytes / sector,
    type,
    name,
  ]);
}

async function refusal(disk: Buffer): Promise<string> {
  try {
    return JSON.stringify(await read(disk));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "image-invalid") return error.message;
    throw error;
  }
}

describe.skipIf(noSfdisk)("what sfdisk writes", () => {
  const made = (script: string): Buffer => {
    using folder = scratchFolder();
    const path = join(folder.path, "disk");
    writeFileSync(path, "");
    truncateSync(path, 64 * 1024 ** 2);
    const { status, stderr } = spawnSync("sfdisk", ["-q", path], {
      input: script,
      encoding: "utf8",
      env: { PATH: "/usr/sbin:/sbin:/usr/bin:/bin" },
    });
    if (status !== 0) throw new Error(stderr);
    return readFileSync(path);
  };

  test("is read back: a GPT as cloud images have it", async () => {
    const root = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";
    const disk = made(
      `label: gpt\n14: start=2048, size=2048\n15: start=4096, size=8192, type=U\n1: start=12288, size=100000, type=${root}, name="wurzel ß"\n`,
    );
    expect(await read(disk)).toEqual([
      [1, 12_288, 100_000, root.toLowerCase(), "wurzel ß"],
      [14, 2048, 2048, linuxType, ""],
      [15, 4096, 8192, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", ""],
    ]);
  });

  test("is read back: an MBR with partitions in an extended one", async () => {
    const disk = made(
      "label: dos\n1: start=2048, size=2048\n2: start=4096, size=40960, type=5\n5: start=6144, size=2048\n6: start=10240, size=4096, type=82\n7: start=16384, size=4096\n3: start=51200, size=2048, type=c\n",
    );
    expect(await read(disk)).toEqual([
      [1, 2048, 2048, "83", ""],
      [3, 51_200, 2048, "0c", ""],
      [5, 6144, 2048, "83", ""],
      [6, 10_240, 4096, "82", ""],
      [7, 16_384, 4096, "83", ""],
    ]);
  });
});

describe("a GPT", () => {
  const good = gptDisk({ sectors: 100, entries: two });
  const expected = [
    [1, 10, 10, linuxType, "boot"],
    [2, 20, 70, linuxType, "root"],
  ];
  const spoiled = (...places: readonly number[]): Buffer => {
    const disk = Buffer.from(good);
    for (const at of places) disk[at] = (disk[at] ?? 0) ^ 0xff;
    return disk;
  };
  const header = sectorBytes;
  const table = 2 * sectorBytes;
  const backup = 99 * sectorBytes;

  test("is read, on disks of 4096-byte sectors as well", async () => {
    expect(await read(good)).toEqual(expected);
    expect(await read(gptDisk({ sectors: 100, entries: two, sectorBytes: 4096 }), 4096)).toEqual(expected);
  });

  test("is read from the end of the disk where the beginning is damaged", async () => {
    for (const at of [header, header + 16, header + 40, header + 72, header + 88, table, table + 40])
      expect(await read(spoiled(at))).toEqual(expected);
    const gone = Buffer.from(good);
    gone.fill(0, header, table + 512);
    expect(await read(gone)).toEqual(expected);
  });

  test("is refused when both are damaged, or missing though the MBR speaks of one", async () => {
    expect(await refusal(spoiled(header + 40, backup + 40))).toContain("header's checksum");
    expect(await refusal(spoiled(table, backup + 40))).toContain("entries' checksum");
    expect(await refusal(spoiled(header, backup))).toContain("missing");
    expect(await refusal(good.subarray(0, 50 * sectorBytes).fill(0, header, header + 8))).toContain(
      "missing",
    );
  });

  test("that says what cannot be is refused, however right its checksums are", async () => {
    const refused = (
      entries: Parameters<typeof gptDisk>[0]["entries"],
      entryCount?: number,
    ): Promise<string> =>
      refusal(gptDisk({ sectors: 100, entries, ...(entryCount === undefined ? {} : { entryCount }) }));
    expect(
      await refused([
        { first: 10, last: 30 },
        { first: 30, last: 40 },
      ]),
    ).toContain("lies in another");
    expect(
      await refused([
        { first: 10, last: 90 },
        { first: 30, last: 40 },
      ]),
    ).toContain("lies in another");
    expect(await refused([{ first: 10, last: 100 }])).toContain("leaves the disk");
    expect(await refused([{ first: 2 ** 52, last: 2 ** 52 + 5 }])).toContain("leaves the disk");
    expect(await refused([{ first: 0, last: 5 }])).toContain("leaves the disk");
    expect(await refused([{ first: 20, last: 10 }])).toContain("ends before it begins");
    expect(await refused(two, 0xffffffff)).toContain("outside the disk");
  });

  test("with entries of an impossible size, or too many, is refused", async () => {
    const resized = (bytes: number): Buffer => {
      const disk = Buffer.from(good);
      for (const at of [header, backup]) disk.writeUInt32LE(bytes, at + 84);
      repairGpt(disk);
      return disk;
    };
    for (const bytes of [0, 1, 127, 8192, 0xffffffff])
      expect(await refusal(resized(bytes))).toMatch(/impossible size|outside the disk/);
    const entries = Array.from({ length: 300 }, (_, index) => ({ first: 100 + index, last: 100 + index }));
    expect(await refusal(gptDisk({ sectors: 1000, entries }))).toContain("more than 256");
  });

  test("whose header was copied from elsewhere is not believed", async () => {
    const disk = Buffer.from(good);
    good.copy(disk, header, backup, backup + sectorBytes);
    disk.fill(0, backup);
    expect(await refusal(disk)).toContain("belongs elsewhere");
  });

  test("that is left over at the end of a disk with an MBR is passed over", async () => {
    const disk = Buffer.from(good);
    disk.fill(0, 0, 10 * sectorBytes);
    writeMbr(disk, 0, [{ type: 0x83, first: 30, sectors: 20 }]);
    expect(await read(disk)).toEqual([[1, 30, 20, "83", ""]]);
  });
});

describe("an MBR", () => {
  const extended = (links: (disk: Buffer) => void): Buffer => {
    const disk = Buffer.alloc(2000 * sectorBytes);
    writeMbr(disk, 0, [{ type: 0x0f, first: 100, sectors: 1800 }]);
    links(disk);
    return disk;
  };

  test("whose extended partition has no end is refused", async () => {
    const partition = { type: 0x83, first: 1, sectors: 1 };
    const toItself = extended((disk) => writeMbr(disk, 100, [partition, { type: 5, first: 0, sectors: 1 }]));
    expect(await refusal(toItself)).toContain("no end");
    const circle = extended((disk) => {
      writeMbr(disk, 100, [partition, { type: 5, first: 50, sectors: 1 }]);
      writeMbr(disk, 150, [partition, { type: 5, first: 0, sectors: 1 }]);
    });
    expect(await refusal(circle)).toContain("no end");
    const long = extended((disk) => {
      for (let at = 0; at < 1700; at += 2)
        writeMbr(disk, 100 + at, [partition, { type: 5, first: at + 2, sectors: 1 }]);
    });
    expect(await refusal(long)).toContain("no end");
  });

  test("whose extended partition leaves the disk, or leads to what is no table, is refused", async () => {
    const away = extended((disk) => writeMbr(disk, 100, [{ type: 5, first: 0xfffffff0, sectors: 1 }]));
    expect(await refusal(away)).toContain("leaves the disk");
    expect(await refusal(extended(() => undefined))).toContain("without a table");
  });

  test("whose partitions overlap or leave the disk is refused", async () => {
    const disk = Buffer.alloc(100 * sectorBytes);
    writeMbr(disk, 0, [
      { type: 0x83, first: 10, sectors: 20 },
      { type: 0x83, first: 29, sectors: 10 },
    ]);
    expect(await refusal(disk)).toContain("lies in another");
    writeMbr(disk, 0, [
      { type: 0x83, first: 10, sectors: 20 },
      { type: 0x83, first: 90, sectors: 11 },
    ]);
    expect(await refusal(disk)).toContain("leaves the disk");
  });

  test("is not seen in a boot sector, in nothing, or in less than a sector", async () => {
    const disk = Buffer.alloc(20 * sectorBytes);
    expect(await read(disk)).toBeUndefined();
    disk.writeUInt16LE(0xaa55, 510);
    expect(await read(disk)).toBeUndefined();
    disk.write("Non-System disk or disk error. Replace and press any key", 430);
    expect(await read(disk)).toBeUndefined();
    expect(await read(Buffer.alloc(100))).toBeUndefined();
  });
});
