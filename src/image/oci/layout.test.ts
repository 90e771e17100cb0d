import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestImage, TestLayout, tagged, writeLayout } from "../../../test/support/layouts.ts";
import { tarOf } from "../tar/testing/tar-builder.ts";
import { readLayout } from "./layout.ts";
import { parsePlatform } from "./platform.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-layout-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const amd64 = { os: "linux", architecture: "amd64" } as const;
const arm64 = { os: "linux", architecture: "arm64" } as const;
const layer = { tar: tarOf({ path: "a", content: "a" }) };
const simple: TestImage = { layers: [layer] };

const read = (options: Partial<Parameters<typeof readLayout>[0]> = {}) =>
  readLayout({ folder, tag: undefined, platform: amd64, what: "test", ...options });

async function failure(work: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error && "code" in error)
      return { code: String(error.code), message: error.message };
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("a layout", () => {
  test("gives its image's layers, lowest first, with what is to be checked of them", async () => {
    const second = { tar: tarOf({ path: "b", content: "b" }), compression: "zstd" } as const;
    const third = { tar: tarOf({ path: "c", content: "c" }), compression: "none" } as const;
    const digest = writeLayout(folder, { layers: [layer, second, third] });
    const image = await read();
    expect(image.digest).toBe(digest);
    expect(image.architecture).toBe("amd64");
    expect(image.layers).toHaveLength(3);
    const sizes = image.layers.map(({ sizeBytes }) => sizeBytes ?? 0);
    expect(image.layerBytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
    expect(image.layers[2]?.digest).toBe(image.layers[2]?.diffId ?? "");
    for (const source of image.layers) {
      const chunks: Buffer[] = [];
      for await (const chunk of await source.open()) chunks.push(chunk);
      expect(Buffer.concat(chunks)).toHaveLength(source.sizeBytes ?? 0);
    }
  });

  test("tells everything that the configuration says, order kept", async () => {
    writeLayout(folder, {
      ...simple,
      docker: true,
      config: {
        Entrypoint: ["/bin/app", "--x"],
        Cmd: ["y z"],
        Env: ["B=2", "A=1", "EMPTY="],
        User: "kim:staff",
        WorkingDir: "/srv",
        StopSignal: "SIGQUIT",
        ExposedPorts: { "80/tcp": {}, "53/udp": null },
        Labels: { a: "b" },
        Healthcheck: { Test: ["NONE"] },
      },
    });
    expect((await read()).config).toEqual({
      entrypoint: ["/bin/app", "--x"],
      command: ["y z"],
      environment: ["B=2", "A=1", "EMPTY="],
      user: "kim:staff",
      workdir: "/srv",
      stopSignal: "SIGQUIT",
      exposedPorts: ["80/tcp", "53/udp"],
      labels: { a: "b" },
    });
  });

  test("takes null, absence and single words for what they are", async () => {
    const empty = {
      entrypoint: [],
      command: [],
      environment: [],
      user: "",
      workdir: "",
      stopSignal: "",
      exposedPorts: [],
      labels: {},
    };
    const nothing = { Entrypoint: null, Cmd: null, Env: null, User: null, Labels: null, ExposedPorts: null };
    for (const config of [null, {}, nothing]) {
      writeLayout(folder, { ...simple, config });
      expect((await read()).config).toEqual(empty);
    }
    writeLayout(folder, { ...simple, config: { Entrypoint: "/bin/app" } });
    expect((await read()).config).toEqual({ ...empty, entrypoint: ["/bin/app"] });
  });

  test("chooses by platform, in nested indexes too, and passes over attestations", async () => {
    const layout = new TestLayout(folder);
    const forAmd64 = layout.image(simple);
    const forArm64 = layout.image({ ...simple, platform: "linux/arm64" });
    const attestation = {
      ...layout.image({ ...simple, platform: "unknown/unknown" }),
      annotations: { "vnd.docker.reference.type": "attestation-manifest" },
    };
    layout.index([tagged(layout.nested([attestation, layout.nested([forArm64]), forAmd64]), "v1")]);
    expect((await read({ tag: "v1" })).digest).toBe(forAmd64.digest);
    expect((await read({ platform: arm64 })).digest).toBe(forArm64.digest);
    layout.index([attestation, forAmd64]);
    const error = await failure(read({ platform: arm64 }));
    expect(error.code).toBe("image-not-found");
    expect(error.message).toContain("linux/arm64; it has");
    expect(error.message).toContain("linux/amd64");
  });

  test("believes the configuration, not the index, about the platform", async () => {
    const layout = new TestLayout(folder);
    const image = layout.image({ ...simple, platform: "linux/arm64" });
    layout.index([{ ...image, platform: { os: "linux", architecture: "amd64" } }]);
    expect((await failure(read())).code).toBe("image-not-found");
    layout.index([{ ...image, platform: undefined }]);
    expect((await read({ platform: arm64 })).digest).toBe(image.digest);
  });

  test("with several images asks for a tag, and names them", async () => {
    const layout = new TestLayout(folder);
    const [one, two] = [layout.image(simple), layout.image({ ...simple, config: { User: "1" } })];
    layout.index([tagged(one, "one"), tagged(two, "two")]);
    expect((await read({ tag: "two" })).digest).toBe(two.digest);
    expect(await failure(read())).toMatchObject({
      code: "invalid-reference",
      message: expect.stringContaining("one, two"),
    });
    expect(await failure(read({ tag: "three" }))).toMatchObject({ code: "image-not-found" });
  });
});

describe("a hostile layout", () => {
  const cases: readonly (readonly [string, string, RegExp, (layout: TestLayout) => void])[] = [
    [
      "a manifest of another length",
      "verification-failed",
      /bytes instead of/,
      (layout) => {
        const image = layout.image(simple);
        layout.index([{ ...image, size: image.size + 1 }]);
      },
    ],
    [
      "a manifest of another content",
      "verification-failed",
      /instead of sha256/,
      (layout) => {
        const image = layout.image(simple);
        writeFileSync(layout.blobPath(image.digest), "x".repeat(image.size));
        layout.index([image]);
      },
    ],
    [
      "a manifest that is missing",
      "image-invalid",
      /missing/,
      (layout) => {
        const image = layout.image(simple);
        rmSync(layout.blobPath(image.digest));
        layout.index([image]);
      },
    ],
    [
      "a layer that is missing",
      "image-invalid",
      /layer sha256:[0-9a-f]+ is missing/,
      (layout) => {
        let path = "";
        const changeManifest = (manifest: Record<string, unknown>): void => {
          path = JSON.stringify(manifest["layers"]).match(/sha256:[0-9a-f]{64}/)?.[0] ?? "";
        };
        layout.index([layout.image({ ...simple, changeManifest })]);
        rmSync(layout.blobPath(path));
      },
    ],
    [
      "a digest that is a path",
      "image-invalid",
      /digest/,
      (layout) => {
        layout.index([{ ...layout.image(simple), digest: "sha256:../../../../etc/passwd" }]);
      },
    ],
    [
      "a digest that cannot be checked",
      "image-invalid",
      /digest/,
      (layout) => {
        layout.index([{ ...layout.image(simple), digest: `md5:${"0".repeat(32)}` }]);
      },
    ],
    [
      "a huge manifest",
      "image-invalid",
      /larger than/,
      (layout) => {
        const image = layout.image(simple);
        truncateSync(layout.blobPath(image.digest), 2 ** 33);
        layout.index([image]);
      },
    ],
    [
      "a manifest that claims to be huge",
      "image-invalid",
      /larger than/,
      (layout) => {
        layout.index([{ ...layout.image(simple), size: 2 ** 40 }]);
      },
    ],
    [
      "a huge index",
      "image-invalid",
      /larger than/,
      (layout) => {
        truncateSync(join(layout.folder, "index.json"), 2 ** 33);
      },
    ],
    [
      "an index of other things",
      "image-invalid",
      /manifests/,
      (layout) => {
        writeFileSync(join(layout.folder, "index.json"), '{"schemaVersion":2,"manifests":"x"}');
      },
    ],
    [
      "an index that is no JSON",
      "image-invalid",
      /not JSON/,
      (layout) => {
        writeFileSync(join(layout.folder, "index.json"), Buffer.from([0xff, 0xfe, 0x00]));
      },
    ],
    [
      "sizes that are none",
      "image-invalid",
      /size/,
      (layout) => {
        layout.index([{ ...layout.image(simple), size: -1 }]);
      },
    ],
    [
      "a configuration for more layers than there are",
      "image-invalid",
      /1 layers.*2/,
      (layout) => {
        const changeConfig = (config: Record<string, unknown>): void => {
          config["rootfs"] = { diff_ids: [0, 1].map((digit) => `sha256:${String(digit).repeat(64)}`) };
        };
        layout.index([layout.image({ ...simple, changeConfig })]);
      },
    ],
    [
      "no layers",
      "image-invalid",
      /no layers/,
      (layout) => {
        layout.index([layout.image({ layers: [] })]);
      },
    ],
    [
      "layers of an unknown type",
      "image-invalid",
      /unknown type/,
      (layout) => {
        layout.index([layout.image({ layers: [{ ...layer, mediaType: "application/x-evil\n" }] })]);
      },
    ],
    [
      "foreign layers",
      "image-invalid",
      /foreign/,
      (layout) => {
        const mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        layout.index([layout.image({ layers: [{ ...layer, mediaType }] })]);
      },
    ],
    [
      "an environment that is no list",
      "image-invalid",
      /Env/,
      (layout) => {
        layout.index([layout.image({ ...simple, config: { Env: { A: "b" } } })]);
      },
    ],
    [
      "something that is no image",
      "image-not-found",
      /no variant/,
      (layout) => {
        const changeManifest = (manifest: Record<string, unknown>): void => {
          manifest["config"] = layout.blob("{}", "application/vnd.cncf.helm.config.v1+json");
        };
        layout.index([layout.image({ ...simple, changeManifest })]);
      },
    ],
    ["nothing", "image-not-found", /no variant/, (layout) => layout.index([])],
    [
      "indexes in indexes in indexes",
      "image-invalid",
      /too many indexes/,
      (layout) => {
        let inner = layout.nested([layout.image(simple)]);
        for (let depth = 0; depth < 10; depth++) inner = layout.nested([inner]);
        layout.index([inner]);
      },
    ],
    [
      "indexes without end",
      "image-invalid",
      /too many indexes/,
      (layout) => {
        let inner = layout.nested([]);
        for (let depth = 0; depth < 2; depth++)
          inner = layout.nested(Array.from({ length: 100 }, () => inner));
        layout.index([inner]);
      },
    ],
    [
      "a fifo for a manifest",
      "image-invalid",
      /not a file/,
      (layout) => {
        const image = layout.image(simple);
        rmSync(layout.blobPath(image.digest));
        spawnSync("mkfifo", [layout.blobPath(image.digest)]);
        layout.index([image]);
      },
    ],
  ];
  for (const [what, code, message, make] of cases) {
    test(`with ${what} is refused`, async () => {
      make(new TestLayout(folder));
      const error = await failure(read());
      expect(error).toMatchObject({ code });
      expect(error.message).toMatch(message);
      expect(error.message).toMatch(/^[\x20-\x7e]{1,400}$/);
    });
  }

  test("that is not there is named", async () => {
    expect(await failure(read({ folder: join(folder, "none") }))).toMatchObject({ code: "file-not-found" });
    expect(await failure(read())).toMatchObject({ code: "file-not-found" });
  });
});

describe("platforms", () => {
  test("are those that guests can have", () => {
    expect(parsePlatform("linux/amd64")).toEqual(amd64);
    expect(parsePlatform("linux/x86_64")).toEqual(amd64);
    expect(parsePlatform("linux/arm64/v8")).toEqual(arm64);
    for (const text of ["windows/amd64", "linux/arm/v7", "linux/s390x", "linux", "", "a/b/c/d"]) {
      expect(() => parsePlatform(text)).toThrow(/platform/);
    }
  });
});
