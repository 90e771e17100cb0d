import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { skipUnless } from "../../../test/support/require.ts";
import { run } from "../../host/run.ts";
import { layerOf } from "../layers/testing/layers.ts";
import { writeLayers } from "../layers.ts";
import { tarOf } from "../tar/testing/tar-builder.ts";
import {
  checkDisk,
  noCheck,
  noMounts,
  scratchFolder,
  superblockField,
  withMounted,
} from "./testing/disks.ts";

setDefaultTimeout(300_000); // a guard against hanging on a busy machine, no measurement

const gib = 2 ** 30;
const capSysResource = 1n << 24n;

/** The kernel asks for more than root: containers often lack it. */
function mayGrowMounted(): boolean {
  const status = readFileSync("/proc/self/status", "utf8");
  return (BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(status)?.[1] ?? "0"}`) & capSysResource) !== 0n;
}

const cannotGrow =
  noMounts ||
  skipUnless(
    "resize",
    mayGrowMounted(),
    "growing mounted disks: this root lacks the capability CAP_SYS_RESOURCE",
  );

async function smallDisk(target: string): Promise<void> {
  const items = Array.from({ length: 300 }, (_, index) => ({
    path: `f${index}`,
    content: "x".repeat(index * 100),
  }));
  await writeLayers({ layers: [layerOf(tarOf(...items))], target, sizeBytes: 300 * 2 ** 20 });
}

describe.skipIf(cannotGrow)("a mounted disk", () => {
  // 64 GiB: new groups; 3 TiB: more descriptors than room was kept for.
  test.each([64 * gib, 3 * 1024 * gib])("grows from 300 MiB to %d bytes, and is clean", async (size) => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    await smallDisk(target);
    truncateSync(target, size);
    await withMounted(target, "rw", async (folder) => {
      const { stdout } = await run("findmnt", ["-rn", "-o", "SOURCE", "--mountpoint", folder]);
      await run("resize2fs", [stdout.trim()], { timeoutMs: 250_000 });
      writeFileSync(join(folder, "after"), "x".repeat(10_000_000));
    });
    await checkDisk(target);
    expect(Number(await superblockField(target, "Block count"))).toBe(size / 4096);
  });
});

describe.skipIf(noCheck)("a disk that is not mounted", () => {
  test("grows and shrinks with resize2fs, and is clean", async () => {
    using scratch = scratchFolder();
    const target = join(scratch.path, "disk");
    await smallDisk(target);
    await run("resize2fs", [target, "64G"]);
    await checkDisk(target);
    await run("resize2fs", ["-M", target], { timeoutMs: 250_000 });
    await checkDisk(target);
  });
});
