import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { skipUnless } from "../../../test/support/require.ts";
import { run } from "../../host/run.ts";
import { lookUpTool } from "../../host/tools.ts";
import { checkDisk, noMounts, scratchFolder, withMounted } from "../ext4/testing/disks.ts";
import { readTree } from "../ext4/testing/read-tree.ts";
import { writeLayers } from "../layers.ts";
import { bytesOf } from "../tar/bytes.ts";
import { type TarItem, tarOf } from "../tar/testing/tar-builder.ts";
import { layerOf } from "./testing/layers.ts";
import { writeOciLayout } from "./testing/oci-layout.ts";
import { randomLayers } from "./testing/random-layers.ts";

setDefaultTimeout(120_000); // a guard against hanging on a busy machine, no measurement

const noUmoci =
  noMounts ||
  skipUnless("umoci", lookUpTool("umoci") !== undefined, "layers beside umoci's: umoci is not installed");

/** Applies the layers with umoci and with our own, and expects the same of both, to the last attribute. */
async function expectTheSame(layers: readonly (readonly (TarItem | Buffer)[])[]): Promise<void> {
  using scratch = scratchFolder();
  const archives = layers.map((items) => tarOf(...items));
  const image = join(scratch.path, "oci");
  writeOciLayout(image, archives);
  await run("umoci", ["unpack", "--image", `${image}:latest`, join(scratch.path, "bundle")]);
  const target = join(scratch.path, "disk");
  await writeLayers({ layers: archives.map((archive) => layerOf(archive)), target });
  await checkDisk(target);
  const ours = await withMounted(target, "ro", readTree);
  expect(ours).toEqual(await readTree(join(scratch.path, "bundle", "rootfs")));
}

const root: TarItem = { path: "./", type: "5", mtime: 1_500_000_000 };

describe.skipIf(noUmoci)("layers come out as umoci unpacks them", () => {
  test("attributes, types, names and extended attributes", async () => {
    await expectTheSame([
      [
        root,
        { path: "setuid", mode: 0o6755, uid: 70_000, gid: 4_000_000_000, content: "x" },
        { path: "time", mtime: "1600000000.123456789" },
        { path: "early", mtime: -1.5 },
        { path: "late", mtime: 5_000_000_000 },
        { path: "d", type: "5", mode: 0o2775, mtime: 1 },
        { path: "d/c", type: "3", device: [5, 1], mode: 0o620, gid: 5 },
        { path: "d/big-device", type: "4", device: [259, 300_000] },
        { path: "d/pipe", type: "6", mode: 0o600 },
        { path: "short", type: "2", link: "x".repeat(59), uid: 3, mtime: 77 },
        { path: "long", type: "2", link: "y/".repeat(100) },
        { path: "longest", type: "2", link: "z".repeat(4095) },
        { path: bytesOf("Grüße/ñ"), content: "unicode" },
        { path: bytesOf("Grüße"), type: "5", mtime: 3 },
        { path: "case", content: "lower" },
        { path: "CASE", content: "upper" },
        { path: 'new\nline and \\ and "', content: "odd" },
        { path: "invalid-\xff\xfe-utf8", content: "bytes" },
        { path: "n".repeat(255), content: "long" },
        {
          path: "caps",
          mode: 0o755,
          xattrs: { "security.capability": Buffer.from("0100000200040000000000000000000000000000", "hex") },
        },
        {
          path: "attributes",
          xattrs: {
            "user.a": "1",
            "user.long": "v".repeat(2000),
            "trusted.b": "2",
            "security.c": "3",
          },
        },
        { path: "d/with", type: "5", mtime: 9, xattrs: { "user.on-folder": "x".repeat(200) } },
        root,
      ],
    ]);
  });

  test("access control lists", async () => {
    const list = (...entries: (readonly [tag: number, permissions: number, id?: number])[]): Buffer =>
      Buffer.concat([
        Buffer.of(2, 0, 0, 0),
        ...entries.map(([tag, permissions, id]) => {
          const entry = Buffer.alloc(8);
          entry.writeUInt16LE(tag, 0);
          entry.writeUInt16LE(permissions, 2);
          entry.writeUInt32LE(id ?? 0xffffffff, 4);
          return entry;
        }),
      ]);
    const full = list([1, 7], [2, 5, 1000], [2, 4, 70_000], [4, 5], [8, 6, 33], [0x10, 7], [0x20, 1]);
    const minimal = list([1, 6], [4, 4], [0x20, 0]);
    await expectTheSame([
      [
        root,
        { path: "full", mode: 0o771, xattrs: { "system.posix_acl_access": full } },
        { path: "minimal", mode: 0o640, xattrs: { "system.posix_acl_access": minimal } },
        {
          path: "d",
          type: "5",
          mode: 0o771,
          xattrs: { "system.posix_acl_access": full, "system.posix_acl_default": full },
        },
        { path: "e", type: "5", mode: 0o750, xattrs: { "system.posix_acl_default": minimal } },
      ],
    ]);
  });

  test("layers that change, hide, link and bring back", async () => {
    const folder = (path: string): TarItem => ({ path, type: "5", mtime: 1_400_000_000 });
    await expectTheSame([
      [
        root,
        folder("etc"),
        { path: "etc/a", content: "1" },
        { path: "etc/b", content: "2" },
        folder("opt"),
        folder("opt/x"),
        { path: "opt/x/deep", content: "3" },
        { path: "opt/y", content: "4" },
        folder("usr"),
        folder("usr/bin"),
        { path: "bin", type: "2", link: "usr/bin" },
        { path: "usr/bin/tool", content: "tool", mode: 0o755 },
        { path: "usr/bin/alias", type: "1", link: "usr/bin/tool" },
      ],
      [
        folder("etc"),
        { path: "etc/.wh.a" },
        { path: "etc/c", type: "1", link: "etc/b" },
        folder("opt"),
        { path: "opt/.wh..wh..opq" },
        { path: "opt/new", content: "5" },
        { path: "bin/other", content: "6" },
        { path: "usr/bin/.wh.tool" },
        folder("usr/bin"),
      ],
      [
        { path: "etc", type: "5", mode: 0o700, mtime: 5 },
        { path: "etc/a", type: "2", link: "b" },
        { path: "opt/new", type: "5", mtime: 6 },
        { path: "opt/new/inner", content: "7", mtime: 7 },
        { path: "opt/new", type: "5", mtime: 8 },
        { path: "opt", type: "5", mtime: 8 },
        { path: "usr/bin", type: "5", mtime: 8 },
      ],
    ]);
  });

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    test(`layers made by chance (seed ${seed})`, async () => {
      await expectTheSame(randomLayers(seed));
    });
  }
});
