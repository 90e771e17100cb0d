import { describe, expect, test } from "bun:test";
import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { codeOf } from "../../test/contract/storage/disks.ts";
import { mib, scratchFolder } from "../../test/contract/storage/place.ts";
import { skipUnless } from "../../test/support/require.ts";
import { run } from "./run.ts";
import { checkMetadata, parseMapping, parseThins } from "./thin-tools.ts";
import { lookUpTool } from "./tools.ts";

test("thin_ls tells what each device maps, and what it alone maps", () => {
  expect(parseThins("1 2097152  65536 \n2 2162688 131072 \n")).toEqual(
    new Map([
      [1, { mappedBytes: 2_097_152, exclusiveBytes: 65_536 }],
      [2, { mappedBytes: 2_162_688, exclusiveBytes: 131_072 }],
    ]),
  );
  expect(parseThins("7 65536\n").get(7)).toEqual({ mappedBytes: 65_536, exclusiveBytes: undefined });
  expect(parseThins("").size).toBe(0);
});

test("thin_dump tells ranges and single blocks", () => {
  const range = '    <range_mapping origin_begin="1" data_begin="9" length="31" time="0"/>';
  expect(parseMapping(range)).toEqual({ block: 9, blocks: 31 });
  const single = '    <single_mapping origin_block="50" data_block="41" time="1"/>';
  expect(parseMapping(single)).toEqual({ block: 41, blocks: 1 });
  expect(parseMapping("  </device>")).toBeUndefined();
});

const present = lookUpTool("thin_check") !== undefined && lookUpTool("thin_restore") !== undefined;
const skipped = skipUnless(
  "dm-thin",
  present,
  "thin pools' metadata: thin-provisioning-tools is not installed",
);

describe.skipIf(skipped)("metadata in a file", () => {
  test("passes the check when it is whole; damage and zeros are named as such, with what to do", async () => {
    using place = scratchFolder("/var/tmp"); // the tools want direct access, which not every tmpfs has
    const metadata = join(place.path, "metadata");
    const dump = join(place.path, "dump");
    writeFileSync(
      dump,
      `<superblock uuid="" time="0" transaction="0" version="2" data_block_size="128" nr_data_blocks="64">
       <device dev_id="1" mapped_blocks="8" transaction="0" creation_time="0" snap_time="0">
       <range_mapping origin_begin="0" data_begin="0" length="8" time="0"/></device></superblock>`,
    );
    closeSync(openSync(metadata, "w"));
    truncateSync(metadata, 2 * mib);
    expect(await codeOf(checkMetadata(metadata, metadata))).toBe("io-failed"); // all zeros
    await run("thin_restore", ["-i", dump, "-o", metadata]);
    await checkMetadata(metadata, metadata);
    const file = openSync(metadata, "r+");
    writeSync(file, Buffer.alloc(4096, 0x5a), 0, 4096, 0);
    closeSync(file);
    const failure = await checkMetadata(metadata, "THE-FILE").catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: "io-failed",
      message: expect.stringContaining("superblock"),
      hint: expect.stringContaining("thin_repair -i 'THE-FILE'"),
    });
  });
});
