import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type TestImage, TestLayout, tagged, writeLayout } from "../../test/support/layouts.ts";
import { hostArchitecture } from "../guest/binary/architecture.ts";
import { findImage } from "../state/images.ts";
import { ensureImage } from "./ensure.ts";
import { sweepImages } from "./sweep.ts";
import { type TarItem, tarOf } from "./tar/testing/tar-builder.ts";
import { Workshop } from "./testing/workshop.ts";

const host = `linux/${hostArchitecture()}`;
const other = host === "linux/amd64" ? "linux/arm64" : "linux/amd64";
const items: readonly TarItem[] = [
  { path: "etc", type: "5" },
  { path: "etc/os-release", content: "NAME=test" },
];

let workshop: Workshop;
beforeEach(async () => {
  workshop = await Workshop.make();
});
afterEach(() => workshop[Symbol.dispose]());

function writeTar(name: string, ...more: TarItem[]): string {
  const path = join(workshop.home, name);
  writeFileSync(path, tarOf(...items, ...more));
  return path;
}

function writeImage(name: string, image: Partial<TestImage> = {}): string {
  const folder = join(workshop.home, name);
  writeLayout(folder, { layers: [{ tar: tarOf(...items) }], platform: host, ...image });
  return folder;
}

const names = async (): Promise<string[]> => (await workshop.images.list()).map(({ name }) => name);
const refused = (code: string): unknown => expect.objectContaining({ code });

describe("import", () => {
  test("makes an image of a root file system, compressed or not", async () => {
    const plain = await workshop.images.import(writeTar("a.tar"), { name: "plain" });
    writeFileSync(join(workshop.home, "a.tgz"), gzipSync(tarOf(...items)));
    const packed = await workshop.images.import(join(workshop.home, "a.tgz"), { name: "packed" });
    expect(await names()).toEqual(["packed", "plain"]);
    expect(plain.digest).not.toBe(packed.digest);
    expect(plain).toMatchObject({ architecture: hostArchitecture(), name: "plain" });
    expect(plain.usedBytes).toBeGreaterThan(0);
    expect(plain.diskBytes).toBeGreaterThan(plain.usedBytes);
    expect(workshop.files()).toEqual([plain, packed].map(({ id }) => `storage/images/${id}.ext4`).sort());
  });

  test("of the same file again changes nothing, of a changed one replaces it, of another is refused", async () => {
    const path = writeTar("a.tar");
    const first = await workshop.images.import(path, { name: "x" });
    expect(await workshop.images.import(path, { name: "x" })).toEqual(first);
    writeTar("a.tar", { path: "new", content: "1" });
    const second = await workshop.images.import(path, { name: "x" });
    expect(second.id).not.toBe(first.id);
    expect(workshop.files()).toEqual([`storage/images/${second.id}.ext4`]);
    const another = workshop.images.import(writeTar("b.tar"), { name: "x" });
    await expect(another).rejects.toEqual(refused("image-exists"));
  });

  test("refuses what is no root file system, and says what to do", async () => {
    const noise = join(workshop.home, "noise.tar");
    writeFileSync(noise, Buffer.alloc(10_000, 0x5a));
    await expect(workshop.images.import(noise, { name: "x" })).rejects.toThrow(/not a tar archive/);
    writeFileSync(noise, "");
    await expect(workshop.images.import(noise, { name: "x" })).rejects.toEqual(refused("image-invalid"));
    writeFileSync(noise, Buffer.alloc(10_240)); // an archive without entries
    await expect(workshop.images.import(noise, { name: "x" })).rejects.toThrow(/holds no file/);
    const saved = tarOf(
      { path: "blobs/", type: "5" },
      { path: "blobs/sha256/", type: "5" },
      { path: `blobs/sha256/${"0".repeat(64)}`, content: "x" },
    );
    writeFileSync(noise, saved);
    await expect(workshop.images.import(noise, { name: "x" })).rejects.toMatchObject({
      code: "image-invalid",
      hint: expect.stringContaining("docker-archive:"),
    });
    const missing = workshop.images.import(join(workshop.home, "none"), { name: "x" });
    await expect(missing).rejects.toEqual(refused("file-not-found"));
    await expect(workshop.images.import(workshop.home, { name: "x" })).rejects.toEqual(
      refused("image-invalid"),
    );
    await expect(workshop.images.import(noise, { name: "../x" })).rejects.toEqual(
      refused("invalid-reference"),
    );
    expect(workshop.files()).toEqual([]);
    expect(workshop.installation.db.all("SELECT * FROM operations")).toEqual([]);
  });

  test("of an archive that breaks off leaves nothing", async () => {
    const path = join(workshop.home, "cut.tar");
    writeFileSync(
      path,
      tarOf(...items, { path: "big", content: Buffer.alloc(100_000, "x") }).subarray(0, 50_000),
    );
    await expect(workshop.images.import(path, { name: "x" })).rejects.toEqual(refused("image-invalid"));
    expect(workshop.files()).toEqual([]);
    expect(await names()).toEqual([]);
  });
});

describe("pull from a folder", () => {
  test("takes configuration and digest from the image, and its name from where it lies", async () => {
    const folder = writeImage("img", { config: { Cmd: ["x"], User: "kim" } });
    const image = await workshop.images.pull({ reference: `oci:${folder}:latest` });
    expect(image.name).toBe(`oci:${folder}:latest`);
    expect(await workshop.images.inspect(image.name)).toMatchObject({
      source: `oci:${folder}:latest`,
      config: { command: ["x"], user: "kim" },
      vms: [],
    });
    expect((await ensureImage(workshop.installation, `oci:${folder}:latest`)).id).toBe(image.id);
  });

  test("checks every layer against its digest, and leaves nothing when one is wrong", async () => {
    const layout = new TestLayout(join(workshop.home, "img"));
    let digest = "";
    const manifest = layout.image({
      layers: [{ tar: tarOf(...items), compression: "none" }],
      platform: host,
      changeManifest: (made) => {
        digest = /sha256:[0-9a-f]{64}/.exec(JSON.stringify(made["layers"]))?.[0] ?? "";
      },
    });
    layout.index([manifest]);
    writeFileSync(
      layout.blobPath(digest),
      tarOf({ path: "etc", type: "5" }, { path: "etc/os-release", content: "NAME=evil" }),
    );
    const pulled = workshop.images.pull({ reference: `oci:${layout.folder}`, name: "x" });
    await expect(pulled).rejects.toEqual(refused("verification-failed"));
    expect(workshop.files()).toEqual([]);
    expect(await names()).toEqual([]);
  });

  test("of another platform is refused for a VM", async () => {
    const folder = writeImage("img", { platform: other });
    await expect(workshop.images.pull({ reference: `oci:${folder}` })).rejects.toEqual(
      refused("image-not-found"),
    );
    await workshop.images.pull({ reference: `oci:${folder}`, name: "foreign", platform: other });
    await expect(ensureImage(workshop.installation, "foreign")).rejects.toEqual(refused("unsupported"));
  });

  test("again replaces the image; VMs made from the old one keep it until they are gone", async () => {
    const folder = writeImage("img");
    const reference = `oci:${folder}`;
    const old = await workshop.images.pull({ reference, name: "app" });
    await workshop.addVm("web", old.id);
    writeImage("img", { config: { User: "1" } });
    const fresh = await workshop.images.pull({ reference, name: "app" });
    const kept = `app@${old.digest}`;
    expect(await names()).toEqual(["app", kept]);
    expect((await workshop.images.inspect("app")).id).toBe(fresh.id);
    expect(await workshop.images.inspect(kept)).toMatchObject({ id: old.id, vms: ["web"] });
    await expect(workshop.images.delete(kept)).rejects.toEqual(refused("has-dependants"));
    expect(await sweepImages(workshop.installation)).toEqual([]);
    await (await workshop.installation.storage()).removeVm({ vmId: "776562000000" });
    workshop.installation.db.run("DELETE FROM vms");
    expect(await sweepImages(workshop.installation)).toEqual([`replaced image ${kept}`]);
    expect(workshop.files()).toEqual([`storage/images/${fresh.id}.ext4`]);
  });

  test("that fails leaves the image that was to be replaced", async () => {
    const folder = writeImage("img");
    const old = await workshop.images.pull({ reference: `oci:${folder}`, name: "app" });
    writeImage("img", { layers: [{ tar: Buffer.alloc(2000, 1) }] });
    await expect(workshop.images.pull({ reference: `oci:${folder}`, name: "app" })).rejects.toThrow();
    expect(findImage(workshop.installation.db, "app")?.id).toBe(old.id);
    expect(workshop.files()).toEqual([`storage/images/${old.id}.ext4`]);
  });

  test("twice at once makes one image", async () => {
    const reference = `oci:${writeImage("img")}`;
    const [one, two] = await Promise.all([0, 1].map(() => workshop.images.pull({ reference, name: "app" })));
    expect(one).toEqual(two);
  });
});

describe("delete", () => {
  test("refuses while VMs were made from it, and names them; --force takes them along", async () => {
    const image = await workshop.images.import(writeTar("a.tar"), { name: "x" });
    await workshop.addVm("web", image.id);
    await workshop.addVm("db", image.id);
    await expect(workshop.images.delete("x")).rejects.toThrow(/: db, web$/);
    for (const vmId of ["776562000000", "646200000000"])
      await (await workshop.installation.storage()).removeVm({ vmId });
    await workshop.images.delete("x", { force: true });
    expect(workshop.deletedVms).toEqual(["db", "web"]);
    expect(await names()).toEqual([]);
    expect(workshop.files()).toEqual([]);
  });

  test("finds an image by any way to write its name", async () => {
    const path = writeTar("a.tar");
    for (const wanted of ["my/app", "my/app:latest", "docker.io/my/app", "docker.io/my/app:latest"]) {
      await workshop.images.import(path, { name: "my/app" });
      await workshop.images.delete(wanted);
      expect(await names()).toEqual([]);
    }
    await expect(workshop.images.delete("my/app")).rejects.toEqual(refused("image-not-found"));
  });
});

describe("what was left behind", () => {
  test("is removed, and what is in use or in the making stays", async () => {
    const image = await workshop.images.import(writeTar("a.tar"), { name: "x" });
    const storage = await workshop.installation.storage();
    for (const imageId of ["aaaaaaaaaaaa", "bbbbbbbbbbbb"]) {
      const path = await storage.stagingPath(imageId);
      writeFileSync(path, Buffer.alloc(4096));
      await storage.importImage({ imageId }, path);
      mkdirSync(join(workshop.stateDir, "fetch", imageId), { recursive: true });
    }
    workshop.installation.db.run(
      `INSERT INTO operations (kind, subject, begun, data, owner_pid, owner_start_time, owner_boot_id, created_at)
       VALUES ('image.create', '["image:y"]', 1, '{"imageId":"bbbbbbbbbbbb","name":"y"}', 1, '', '', '')`,
    );
    expect(await sweepImages(workshop.installation)).toEqual([
      "fetched files of image aaaaaaaaaaaa",
      "disk of image aaaaaaaaaaaa",
    ]);
    expect(workshop.files()).toEqual([
      "fetch/bbbbbbbbbbbb",
      ...[`storage/images/bbbbbbbbbbbb.ext4`, `storage/images/${image.id}.ext4`].sort(),
    ]);
  });
});

describe("a name that was given", () => {
  test("counts before a reference", async () => {
    const layout = new TestLayout(join(workshop.home, "img"));
    layout.index([tagged(layout.image({ layers: [{ tar: tarOf(...items) }], platform: host }), "v1")]);
    const plain = await workshop.images.pull({ reference: `oci:${layout.folder}`, name: "nginx" });
    const full = await workshop.images.import(writeTar("a.tar"), { name: "docker.io/library/nginx" });
    expect((await ensureImage(workshop.installation, "nginx")).id).toBe(plain.id);
    expect((await ensureImage(workshop.installation, "nginx:latest")).id).toBe(full.id);
  });
});
