import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../../../test/contract/storage/disks.ts";
import { qcow2OnExt4 } from "../../../test/contract/storage/factories.ts";
import { gib, scratchFolder, skipReason } from "../../../test/contract/storage/place.ts";
import { run } from "../../host/run.ts";
import { emptyOverlay, headerReadBytes, largestDiskBytes, parseHeader } from "./header.ts";
import { examineOverlay, writeOverlay, writeSize } from "./overlay.ts";

const reason = skipReason("qcow2 files as QEMU reads them", qcow2OnExt4);
const image = { name: "../images/0123456789abcdef.ext4", format: "raw" } as const;

test.skipIf(reason !== undefined)(
  "QEMU finds no fault in an empty overlay of any size, before and after writing",
  async () => {
    using folder = scratchFolder();
    writeFileSync(join(folder.path, "base"), Buffer.alloc(1024 ** 2, 7));
    for (const sizeBytes of [1024 ** 2, 64 * gib, largestDiskBytes]) {
      const path = join(folder.path, `${sizeBytes}.qcow2`);
      await writeOverlay(path, sizeBytes, { name: "base", format: "raw" });
      await run("qemu-img", ["check", "-f", "qcow2", path]);
      expect((await examineOverlay(path)).empty).toBe(true);
      const last = sizeBytes - 65_536;
      await run("qemu-io", [
        "-f",
        "qcow2",
        "-c",
        `write -P 9 ${last} 65536`,
        "-c",
        "read -P 7 0 65536",
        path,
      ]);
      await run("qemu-img", ["check", "-f", "qcow2", path]);
      expect((await examineOverlay(path)).empty).toBe(false);
      const { stdout } = await run("qemu-img", ["info", "-f", "qcow2", "--output=json", path]);
      expect(JSON.parse(stdout)).toMatchObject({
        "virtual-size": sizeBytes,
        "backing-filename": "base",
        "backing-filename-format": "raw",
        "dirty-flag": false,
      });
    }
  },
);

test.skipIf(reason !== undefined)(
  "an overlay grows to the largest size, and the new end can be written",
  async () => {
    using folder = scratchFolder();
    writeFileSync(join(folder.path, "base"), Buffer.alloc(1024 ** 2, 7));
    const path = join(folder.path, "disk.qcow2");
    await writeOverlay(path, 1024 ** 2, { name: "base", format: "raw" });
    await writeSize(path, largestDiskBytes);
    await run("qemu-io", ["-f", "qcow2", "-c", `write -P 9 ${largestDiskBytes - 4096} 4096`, path]);
    await run("qemu-img", ["check", "-f", "qcow2", path]);
  },
);

test("an overlay that somebody else could have made is refused, not followed", async () => {
  const good = Buffer.alloc(headerReadBytes);
  emptyOverlay(gib, image).pieces[0]?.bytes.copy(good);
  expect(parseHeader(good, "x")).toMatchObject({ sizeBytes: gib, backingName: image.name, snapshots: 0 });
  const spoiled = (change: (bytes: Buffer) => unknown): Promise<unknown> => {
    const bytes = Buffer.from(good);
    change(bytes);
    return codeOf(Promise.try(() => parseHeader(bytes, "x")));
  };
  expect(await spoiled((bytes) => bytes.fill(0))).toBe("io-failed");
  expect(await spoiled((bytes) => bytes.writeUInt32BE(2, 4))).toBe("io-failed");
  expect(await spoiled((bytes) => bytes.writeUInt32BE(31, 20))).toBe("io-failed");
  expect(await spoiled((bytes) => bytes.writeBigUInt64BE(2n ** 63n, 8))).toBe("io-failed");
  expect(await spoiled((bytes) => bytes.writeUInt32BE(0xffffffff, 16))).toBe("io-failed");
  expect(await spoiled((bytes) => bytes.writeBigUInt64BE(2n ** 62n, 24))).toBe("io-failed");
  expect(await spoiled((bytes) => bytes.writeUInt32BE(1, 36))).toBe("io-failed");
  expect(await spoiled((bytes) => bytes.writeUInt32BE(0xffffffff, 36))).toBe("io-failed");
  expect(await codeOf(Promise.try(() => parseHeader(good.subarray(0, 50), "x")))).toBe("io-failed");
});
