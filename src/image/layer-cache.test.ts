import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { file, layer } from "../../test/support/images.ts";
import { writeLayout } from "../../test/support/layouts.ts";
import { missingForRegistry, TestRegistry } from "../../test/support/registry.ts";
import { skipUnless } from "../../test/support/require.ts";
import { hostArchitecture } from "../guest/binary/architecture.ts";
import { dropLayers, keepLayers, layerCacheOf, pruneLayers, takeLayers } from "./layer-cache.ts";
import { Workshop } from "./testing/workshop.ts";

const missing = missingForRegistry();
const skip = skipUnless("registry", missing === undefined, missing ?? "");

setDefaultTimeout(60_000);

let workshop: Workshop;
let cache: string;
beforeEach(async () => {
  workshop = await Workshop.make();
  cache = layerCacheOf(workshop.stateDir);
});
afterEach(() => workshop[Symbol.dispose]());

const hex = (digit: string): string => digit.repeat(64);

describe("kept layers", () => {
  const blobs = (layout: string): string => join(layout, "blobs", "sha256");
  const put = (layout: string, name: string): void => {
    mkdirSync(blobs(layout), { recursive: true });
    writeFileSync(join(blobs(layout), name), "content");
  };

  test("are links, so that they take no room twice and outlive each other", () => {
    const [first, second] = [join(workshop.home, "first"), join(workshop.home, "second")];
    put(first, hex("a"));
    put(first, "oci-put-blob123"); // on its way
    keepLayers(cache, first);
    expect(readdirSync(cache)).toEqual([hex("a")]);
    expect(takeLayers(cache, second, [`sha256:${hex("a")}`, `sha256:${hex("b")}`, "sha256:../x"])).toBe(7);
    expect(statSync(join(cache, hex("a"))).nlink).toBe(3);
    expect(pruneLayers(cache, 0)).toMatchObject({ files: 1 });
    expect(readFileSync(join(blobs(second), hex("a")), "utf8")).toBe("content");
    expect(readdirSync(cache)).toEqual([]);
  });

  test("go when they were of no use for long, and at once when they are damaged", () => {
    const layout = join(workshop.home, "layout");
    for (const name of [hex("a"), hex("b"), hex("c")]) put(layout, name);
    keepLayers(cache, layout);
    const longAgo = new Date(Date.now() - 40 * 86_400_000);
    utimesSync(join(cache, hex("a")), longAgo, longAgo);
    expect(pruneLayers(cache, 30 * 86_400_000).files).toBe(1);
    dropLayers(cache, [`sha256:${hex("b")}`, `sha256:${hex("b")}`]);
    expect(readdirSync(cache)).toEqual([hex("c")]);
  });

  test("of nothing are none", () => {
    keepLayers(cache, join(workshop.home, "absent"));
    expect(pruneLayers(cache, 0)).toEqual({ files: 0, bytes: 0 });
    expect(takeLayers(cache, join(workshop.home, "absent"), [`sha256:${hex("a")}`])).toBe(0);
  });
});

describe.skipIf(skip)("a pull", () => {
  const host = `linux/${hostArchitecture()}`;
  const base = [1, 2].map((number) => layer([file(`base${number}`, `base ${number}`)]));
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await TestRegistry.start();
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
  });

  const pull = (name: string, more: object = {}) =>
    workshop.images.pull({ reference: `${registry.host}/${name}`, tlsVerify: false, ...more });

  function push(name: string, own: string): string {
    const layout = join(workshop.home, `layout-${own}`);
    writeLayout(layout, { layers: [...base, layer([file(own, own)])], platform: host });
    registry.push(layout, name);
    return layout;
  }

  /** The digests of an image's layers, as its layout has them. */
  function layersOf(layout: string): string[] {
    const read = (digest: string) =>
      JSON.parse(readFileSync(join(layout, "blobs/sha256", digest.replace("sha256:", "")), "utf8"));
    const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8"));
    return read(index.manifests[0].digest).layers.map(({ digest }: { digest: string }) => digest);
  }

  test("of an image that shares layers fetches only what is new", async () => {
    const layout = push("one:1", "one");
    push("two:1", "two");
    await pull("one:1");
    for (const digest of layersOf(layout).slice(0, 2)) registry.forget(digest);
    const image = await pull("two:1");
    expect(image.usedBytes).toBeGreaterThan(0);
  });

  test("that was interrupted goes on with what it had", async () => {
    const layout = push("half:1", "half");
    const abort = new AbortController();
    const onProgress = ({ step }: { step: string }): void => {
      if (step === "storing the disk") abort.abort();
    };
    await expect(pull("half:1", { signal: abort.signal, onProgress })).rejects.toMatchObject({
      code: "interrupted",
    });
    for (const digest of layersOf(layout)) registry.forget(digest);
    await pull("half:1");
  });

  test("fetches a layer again that was kept and is damaged", async () => {
    const layout = push("three:1", "three");
    push("four:1", "four");
    await pull("three:1");
    const [first = ""] = layersOf(layout);
    const path = join(cache, first.replace("sha256:", ""));
    const bytes = readFileSync(path);
    rmSync(path);
    writeFileSync(path, bytes.subarray(0, -1));
    await pull("four:1");
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });
});

test("pruning images takes those without VMs that are old enough, and layers of no use since", async () => {
  const path = join(workshop.home, "root.tar");
  writeFileSync(path, layer([file("a", "1")], "none").tar);
  const old = await workshop.images.import(path, { name: "old" });
  const used = await workshop.images.import(path, { name: "used" });
  await workshop.images.import(path, { name: "young" });
  workshop.installation.db.run("UPDATE images SET created_at = '2020-01-01T00:00:00Z' WHERE name <> 'young'");
  await workshop.addVm("web", used.id);
  mkdirSync(cache, { recursive: true });
  for (const digit of ["a", "b"]) writeFileSync(join(cache, hex(digit)), "content");
  utimesSync(join(cache, hex("a")), new Date(0), new Date(0));
  const report = await workshop.images.prune({ olderThanMs: 86_400_000 });
  expect(report).toMatchObject({ images: ["old"], layers: 1 });
  expect(report.freedBytes).toBeGreaterThanOrEqual(old.usedBytes);
  expect((await workshop.images.list()).map(({ name }) => name)).toEqual(["used", "young"]);
  expect(await workshop.images.prune()).toMatchObject({ images: ["young"], layers: 1 });
});

test("an image is of use as long as a VM is made from it, starts or goes; pruning by use minds that", async () => {
  const { db } = workshop.installation;
  const path = join(workshop.home, "root.tar");
  writeFileSync(path, layer([file("a", "1")], "none").tar);
  const usedAt = async (name: string) => (await workshop.images.inspect(name)).lastUsedAt;
  const ids: Record<string, string> = {};
  for (const name of ["left", "never", "busy"]) ids[name] = (await workshop.images.import(path, { name })).id;
  expect(await usedAt("left")).toBeNull();
  const vmId = await workshop.addVm("web", ids["left"] ?? "");
  expect(Date.parse((await usedAt("left")) ?? "")).toBeGreaterThan(Date.now() - 60_000);
  const age = () =>
    db.run("UPDATE images SET created_at = '2020-01-01T00:00:00Z', last_used_at = '2020-01-02T00:00:00Z'");
  age();
  db.run("UPDATE vms SET started_at = '2026-01-01T00:00:00Z' WHERE name = 'web'");
  expect(await usedAt("left")).not.toBe("2020-01-02T00:00:00Z");
  age();
  await (await workshop.installation.storage()).removeVm({ vmId });
  db.run("DELETE FROM vms WHERE name = 'web'");
  expect(await usedAt("left")).not.toBe("2020-01-02T00:00:00Z");
  db.run("UPDATE images SET last_used_at = NULL WHERE name = 'never'");
  await workshop.addVm("job", ids["busy"] ?? "");
  age();
  db.run("UPDATE images SET last_used_at = ? WHERE name = 'left'", new Date().toISOString());
  expect(await workshop.images.prune({ unusedForMs: 86_400_000 })).toMatchObject({ images: ["never"] });
  expect(await workshop.images.prune({ olderThanMs: 86_400_000 })).toMatchObject({ images: ["left"] });
});
