import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { file, layer } from "../../../test/support/images.ts";
import { writeLayout } from "../../../test/support/layouts.ts";
import { skipUnless } from "../../../test/support/require.ts";
import { lookUpTool } from "../../host/tools.ts";
import { tarOf } from "../tar/testing/tar-builder.ts";
import { Workshop } from "../testing/workshop.ts";
import { kindOf } from "./local.ts";

const skip = skipUnless("skopeo", lookUpTool("skopeo") !== undefined, "skopeo is not installed");

setDefaultTimeout(60_000);

let workshop: Workshop;
let layout: string;
beforeEach(async () => {
  workshop = await Workshop.make();
  layout = join(workshop.home, "layout");
  writeLayout(layout, { layers: [layer([file("a", "1")])], config: { Cmd: ["/bin/app"], User: "kim" } });
});
afterEach(() => workshop[Symbol.dispose]());

/** The layout's image as an archive of that kind. */
function archive(transport: "docker-archive" | "oci-archive"): string {
  const path = join(workshop.home, `${transport}.tar`);
  const args = ["--insecure-policy", "copy", "--quiet", `oci:${layout}:latest`, `${transport}:${path}:app:1`];
  const { status, stderr } = spawnSync("skopeo", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return path;
}

describe.skipIf(skip)("an image in a file or folder", () => {
  test("is told by what is in it", async () => {
    expect(await kindOf(layout)).toBe("oci-layout");
    expect(await kindOf(archive("docker-archive"))).toBe("docker-archive");
    expect(await kindOf(archive("oci-archive"))).toBe("oci-archive");
    const root = join(workshop.home, "root.tar");
    writeFileSync(root, tarOf(file("etc/manifest.json", "{}"), file("manifest.json", "{}")));
    expect(await kindOf(root)).toBe("root"); // a program's own file of that name
    writeFileSync(root, gzipSync(tarOf(file("etc/hostname", "x"))));
    expect(await kindOf(root)).toBe("root");
    writeFileSync(root, "noise");
    expect(await kindOf(root)).toBe("root");
    expect(await kindOf(join(workshop.home, "absent"))).toBe("root");
  });

  test("is imported with its configuration, whatever it lies in", async () => {
    const places = [layout, archive("docker-archive"), archive("oci-archive")];
    for (const [index, place] of places.entries()) {
      await workshop.images.import(place, { name: `image${index}` });
      expect(await workshop.images.inspect(`image${index}`)).toMatchObject({
        config: { command: ["/bin/app"], user: "kim" },
      });
    }
  });
});
