import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "../../../test/support/require.ts";
import { run } from "../../host/run.ts";
import { lookUpTool } from "../../host/tools.ts";
import { readAll } from "./testing/read-all.ts";
import { headerOf, padded, paxHeader, tarOf } from "./testing/tar-builder.ts";

setDefaultTimeout(120_000); // a guard against hanging on a busy machine, no measurement

const noTar = skipUnless("tar", lookUpTool("tar") !== undefined, "sparse archives: tar is not installed");

test.skipIf(noTar).each(["gnu", "pax-0.0", "pax-0.1", "pax-1.0"])(
  "reads sparse files as GNU tar writes them in format %s",
  async (format) => {
    const folder = mkdtempSync(join(tmpdir(), "ember-sparse-"));
    try {
      const path = join(folder, "sparse");
      const file = openSync(path, "w");
      // Enough parts for extension blocks, with the last one ending amid a block, and a hole at the end.
      for (let part = 0; part < 60; part++) writeSync(file, `part ${part}`, part * 16384);
      truncateSync(path, 2_000_001);
      const [dialect = "", version] = format.split("-");
      const args = [
        "-S",
        `--format=${dialect}`,
        ...(version === undefined ? [] : [`--sparse-version=${version}`]),
      ];
      await run("tar", [...args, "-C", folder, "-cf", join(folder, "tar"), "sparse"]);
      const archive = readFileSync(join(folder, "tar"));
      expect(archive.length).toBeLessThan(1_000_000);
      for (const chunkBytes of [1 << 20, 777]) {
        const [entry] = await readAll(archive, chunkBytes);
        expect(entry?.path).toBe("sparse");
        expect(entry?.sparse?.length).toBe(60);
        expect(entry?.content.equals(readFileSync(path))).toBe(true);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

test("refuses sparse maps that are out of order, out of range or do not fit the data", async () => {
  const sparse = (map: string, size = "100"): Buffer =>
    tarOf(
      paxHeader("x", [
        ["GNU.sparse.size", size],
        ["GNU.sparse.numblocks", String(map.split(",").length / 2)],
        ["GNU.sparse.map", map],
      ]),
      headerOf({ path: "s" }, 20),
      padded(Buffer.alloc(20, "x")),
    );
  expect((await readAll(sparse("0,10,90,10")))[0]?.sizeBytes).toBe(100);
  for (const map of [
    "50,10,0,10",
    "0,10,5,10",
    "0,10,95,10",
    "0,10,20,5",
    "0,10,90",
    "0,10,90,x",
    "0,1e1,90,10",
  ]) {
    await expect(readAll(sparse(map))).rejects.toMatchObject({ code: "image-invalid" });
  }
  await expect(readAll(sparse("0,10,90,10", "99999999999999999999"))).rejects.toMatchObject({
    code: "image-invalid",
  });
});

test("refuses a sparse map that would not end", async () => {
  const map = padded(Buffer.from(`4294967295\n${"1\n".repeat(300)}`));
  const archive = tarOf(
    paxHeader("x", [
      ["GNU.sparse.major", "1"],
      ["GNU.sparse.minor", "0"],
      ["GNU.sparse.realsize", "100"],
    ]),
    headerOf({ path: "s" }, map.length),
    map,
  );
  await expect(readAll(archive)).rejects.toMatchObject({ code: "image-invalid" });
});
