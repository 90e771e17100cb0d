import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { file, layer } from "../../../test/support/images.ts";
import { type TestImage, writeLayout } from "../../../test/support/layouts.ts";
import { skipUnless } from "../../../test/support/require.ts";
import { hostArchitecture } from "../../guest/binary/architecture.ts";
import { Workshop } from "../testing/workshop.ts";

setDefaultTimeout(60_000);
const skip = skipUnless("skopeo", Bun.which("skopeo") !== null, "skopeo is not installed");

let workshop: Workshop;
beforeEach(async () => {
  workshop = await Workshop.make();
});
afterEach(() => workshop[Symbol.dispose]());

/** An archive as `docker save` writes it. */
function save(path: string, name: string, image: Partial<TestImage> = {}): void {
  const layout = join(workshop.home, `layout-${name.replace(/\W/g, "-")}`);
  writeLayout(layout, {
    layers: [layer([file("a", name)])],
    platform: `linux/${hostArchitecture()}`,
    ...image,
  });
  const args = [
    "--insecure-policy",
    "copy",
    "--quiet",
    `oci:${layout}:latest`,
    `docker-archive:${path}:${name}`,
  ];
  const { status, stderr } = spawnSync("skopeo", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

describe.skipIf(skip)("an archive of docker save", () => {
  test("gives its image, wherever it lies", async () => {
    const folder = join(workshop.home, "with space:and colon");
    mkdirSync(folder);
    const plain = join(workshop.home, "saved.tar");
    const path = join(folder, "saved.tar");
    save(plain, "app:1", { config: { Cmd: ["x"], Env: ["A=1"] } });
    writeFileSync(path, await Bun.file(plain).bytes());
    const image = await workshop.images.pull({ reference: `docker-archive:${path}`, name: "app" });
    const { config, source } = await workshop.images.inspect("app");
    expect({ config, source }).toMatchObject({
      config: { command: ["x"], environment: ["A=1"] },
      source: `docker-archive:${path}`,
    });
    expect(workshop.files()).toEqual([`storage/images/${image.id}.ext4`]);
    expect(await workshop.images.pull({ reference: `docker-archive:${path}`, name: "app" })).toEqual(image);
    await workshop.images.pull({ reference: `docker-archive:${plain}:app:1`, name: "named" });
    const other = workshop.images.pull({ reference: `docker-archive:${plain}:other:1`, name: "x" });
    await expect(other).rejects.toMatchObject({ code: "image-not-found" });
  });

  test("that is none is refused by what it is", async () => {
    const path = join(workshop.home, "noise");
    const pull = () => workshop.images.pull({ reference: `docker-archive:${path}`, name: "x" });
    await expect(pull()).rejects.toMatchObject({ code: "file-not-found" });
    for (const content of ["", "text\n".repeat(1000)]) {
      writeFileSync(path, content);
      await expect(pull()).rejects.toMatchObject({
        code: "image-invalid",
        hint: expect.stringContaining("docker save"),
      });
    }
    expect(workshop.files()).toEqual([]);
  });
});
