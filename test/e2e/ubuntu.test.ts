import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { hostArchitecture } from "../../src/guest/binary/architecture.ts";
import { releaseOrigin } from "../../src/image/bootstrap/bootstrap.ts";
import type { Distribution } from "../../src/image/bootstrap/distribution.ts";
import { ubuntu } from "../../src/image/bootstrap/ubuntu.ts";
import { checkDisk, withMounted } from "../../src/image/ext4/testing/disks.ts";
import { readTree } from "../../src/image/ext4/testing/read-tree.ts";
import { makeImage } from "../../src/image/make.ts";
import { Workshop } from "../../src/image/testing/workshop.ts";
import { TestKey } from "../../src/kernel/testing/fake-archive.ts";
import { UbuntuArchive } from "../support/ubuntu-archive.ts";

// mmdebstrap and apt themselves, on an archive of Ubuntu's layout whose keys are the test's own.
let archive: UbuntuArchive;
let workshop: Workshop;

beforeAll(async () => {
  archive = await UbuntuArchive.start(hostArchitecture());
  workshop = await Workshop.make();
}, 60_000);

afterAll(async () => {
  workshop[Symbol.dispose]();
  await archive[Symbol.asyncDispose]();
});

function bootstrap(suite: string) {
  const distribution: Distribution = {
    ...ubuntu,
    keyring: () => archive.key.keyringPath,
    archives: () =>
      ["", "-updates", "-security"].map((pocket) => ({ uri: archive.uri, suite: `${suite}${pocket}` })),
  };
  const origin = releaseOrigin({ distribution, suite }, join(workshop.stateDir, "cache"));
  return makeImage(workshop.installation, { name: "ubuntu", origin, leases: ["cache"] }, {});
}

test("what is signed with other keys, or not at all, is refused", async () => {
  using other = new TestKey();
  try {
    for (const key of [other, undefined]) {
      archive.resign("noble-updates", key);
      await expect(bootstrap("noble")).rejects.toMatchObject({
        code: "verification-failed",
        message: expect.stringMatching(/noble-updates/),
        hint: expect.stringContaining("'ubuntu-keyring'"),
      });
    }
  } finally {
    archive.resign("noble-updates", archive.key);
  }
  expect(workshop.files()).toEqual([]);
}, 120_000);

test("a suite that is not there is refused before anything is made", async () => {
  await expect(bootstrap("nobel")).rejects.toMatchObject({
    code: "image-not-found",
    message: `the mirror '${archive.uri}' has no suite 'nobel'`,
    hint: "write a codename that Ubuntu has: noble, jammy",
  });
}, 60_000);

test("an image is made of signed packages, with its archives for later", async () => {
  const image = await bootstrap("noble");
  expect(image).toMatchObject({ name: "ubuntu", source: "ubuntu:noble" });
  const disk = join(workshop.stateDir, "storage", "images", `${image.id}.ext4`);
  await checkDisk(disk);
  const [sources, hostname, tree] = await withMounted(disk, "ro", async (root) => [
    await Bun.file(join(root, "etc/apt/sources.list")).text(),
    await Bun.file(join(root, "etc/hostname")).text(),
    await readTree(root),
  ]);
  for (const pocket of ["", "-updates", "-security"]) {
    expect(sources).toContain(`deb ${archive.uri} noble${pocket} main universe\n`);
  }
  expect(hostname).toBe("ubuntu\n");
  expect(Object.keys(tree)).toContain("usr/lib/systemd/systemd");
  expect(Object.keys(tree)).toContain("etc/systemd/system/motd-news.timer");
  expect(tree["bin"]).toMatchObject({ kind: "symlink", content: "usr/bin" });
}, 900_000);
