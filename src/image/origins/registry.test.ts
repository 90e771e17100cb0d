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
import { spawnSync } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BadRegistry } from "../../../test/support/bad-registry.ts";
import { processesNaming } from "../../../test/support/ember.ts";
import { busyboxImages, file, layer } from "../../../test/support/images.ts";
import { TestLayout, tagged, writeLayout } from "../../../test/support/layouts.ts";
import { missingForRegistry, TestRegistry } from "../../../test/support/registry.ts";
import { skipUnless } from "../../../test/support/require.ts";
import { hostArchitecture } from "../../guest/binary/architecture.ts";
import { parsePlatform } from "../oci/platform.ts";
import { parseReference } from "../reference.ts";
import { Workshop } from "../testing/workshop.ts";
import { registryOrigin } from "./registry.ts";

// Pulling with skopeo: from a real registry, and from one that gives bad answers.

const missing = missingForRegistry();
const skip = skipUnless("registry", missing === undefined, missing ?? "");
const host = `linux/${hostArchitecture()}`;
const other = host === "linux/amd64" ? "linux/arm64" : "linux/amd64";

setDefaultTimeout(60_000); // many processes, on a machine that may be busy

let workshop: Workshop;
beforeEach(async () => {
  workshop = await Workshop.make();
});
afterEach(() => workshop[Symbol.dispose]());

async function failureOf(work: Promise<unknown>): Promise<{ code: string; message: string; hint: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Error && "code" in error) {
      return {
        code: String(error.code),
        message: error.message,
        hint: "hint" in error ? String(error.hint) : "",
      };
    }
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** The digest of what a registry gives out. */
function digestIn(image: string): string {
  const args = ["inspect", "--raw", "--tls-verify=false", `docker://${image}`];
  return `sha256:${new Bun.CryptoHasher("sha256").update(spawnSync("skopeo", args).stdout).digest("hex")}`;
}

/** Nothing half made, whatever was tried. */
async function expectNothing(): Promise<void> {
  expect(workshop.files()).toEqual([]);
  expect(await workshop.images.list()).toEqual([]);
  expect(workshop.installation.db.all("SELECT * FROM operations")).toEqual([]);
  expect(processesNaming(workshop.home)).toEqual([]);
}

describe.skipIf(skip)("a registry", () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await TestRegistry.start();
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
  });

  const pull = (name: string, options: object = {}) =>
    workshop.images.pull({ reference: `${registry.host}/${name}`, tlsVerify: false, ...options });

  test("gives images of every kind of layer, under the digest that it knows them by", async () => {
    const layout = join(workshop.home, "layout");
    writeLayout(layout, {
      ...(busyboxImages["layered"]?.() ?? { layers: [] }),
      platform: host,
    });
    registry.push(layout, "team/layered:1");
    const steps = new Set<string>();
    const image = await pull("team/layered:1", {
      onProgress: ({ step }: { step: string }) => steps.add(step),
    });
    expect(image).toMatchObject({
      name: `${registry.host}/team/layered:1`,
      digest: digestIn(`${registry.host}/team/layered:1`),
    });
    expect([...steps].join()).toMatch(/asking.*storing the disk/);
    expect(workshop.files()).toEqual([`storage/images/${image.id}.ext4`]);
    const listing = spawnSync("debugfs", [
      "-R",
      "ls -p /data",
      join(workshop.stateDir, "storage/images", `${image.id}.ext4`),
    ]);
    expect(listing.stdout.toString()).toMatch(/\/changed\//);
    expect(listing.stdout.toString()).toMatch(/\/kept\//);
    expect(listing.stdout.toString()).not.toContain("removed");
  });

  test("gives images in Docker's form, with their configuration, under their own digest", async () => {
    const layout = join(workshop.home, "layout");
    const config = { Entrypoint: ["/bin/sh"], Env: ["B=1", "A=2"], User: "kim" };
    writeLayout(layout, { layers: [layer([file("a", "1")])], config, platform: host });
    const push = ["--insecure-policy", "copy", "--quiet", "--format", "v2s2", "--dest-tls-verify=false"];
    const target = `docker://${registry.host}/docker:1`;
    expect(spawnSync("skopeo", [...push, `oci:${layout}:latest`, target]).status).toBe(0);
    const image = await pull("docker:1");
    expect(image.digest).toBe(digestIn(`${registry.host}/docker:1`));
    const { config: kept } = await workshop.images.inspect(image.name);
    expect(kept).toMatchObject({ entrypoint: ["/bin/sh"], environment: ["B=1", "A=2"], user: "kim" });
  });

  test("gives the variant for the platform, and says what there is when there is none", async () => {
    const layout = new TestLayout(join(workshop.home, "layout"));
    const mine = layout.image({ layers: [layer([file("mine", "1")])], platform: host });
    const foreign = layout.image({ layers: [layer([file("foreign", "1")])], platform: other });
    layout.index([tagged(layout.nested([foreign, mine]), "latest")]);
    registry.push(layout.folder, "multi:1", { all: true });
    expect(await pull("multi:1")).toMatchObject({ digest: mine.digest });
    expect(await pull("multi:1", { platform: other, name: "foreign" })).toMatchObject({
      digest: foreign.digest,
    });
    layout.index([tagged(layout.nested([foreign]), "latest")]);
    registry.push(layout.folder, "foreign:1", { all: true });
    const error = await failureOf(pull("foreign:1"));
    expect(error).toMatchObject({ code: "image-not-found", hint: expect.stringContaining("--platform") });
    expect(error.message).toContain(other);
    writeLayout(layout.folder, { layers: [layer([file("x", "1")])], platform: other });
    registry.push(layout.folder, "single:1");
    expect((await failureOf(pull("single:1"))).code).toBe("image-not-found");
  });

  test("is asked only for the digest when nothing has changed; a tag that moved replaces the image", async () => {
    const layout = join(workshop.home, "layout");
    const first = writeLayout(layout, { layers: [layer([file("a", "1")])], platform: host });
    registry.push(layout, "moving:1");
    const image = await pull("moving:1");
    const steps = new Set<string>();
    const again = await pull("moving:1", { onProgress: ({ step }: { step: string }) => steps.add(step) });
    expect(again).toEqual(image);
    expect([...steps].join()).not.toContain("storing");
    const second = writeLayout(layout, { layers: [layer([file("a", "2")])], platform: host });
    registry.push(layout, "moving:1");
    expect(await pull("moving:1")).toMatchObject({ digest: second, name: image.name });
    expect(await pull(`moving@${first}`)).toMatchObject({ digest: first });
    expect(await workshop.images.list()).toHaveLength(2);
  });

  test("leaves no notes of skopeo's behind, neither in the home nor in root's place", async () => {
    const layout = join(workshop.home, "layout");
    writeLayout(layout, { ...(busyboxImages["layered"]?.() ?? { layers: [] }), platform: host });
    registry.push(layout, "team/notes:1");
    const notes = ["/var/lib/containers/cache", join(homedir(), ".local/share/containers/cache")];
    const state = (): unknown[] =>
      notes.flatMap((folder) =>
        [folder, join(folder, "blob-info-cache-v1.boltdb"), join(folder, "blob-info-cache-v1.sqlite")].map(
          (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs,
        ),
      );
    const before = state();
    await pull("team/notes:1");
    expect(state()).toEqual(before);
  });

  test("keeps images apart that differ only by their registry", async () => {
    const layout = join(workshop.home, "layout");
    writeLayout(layout, { layers: [layer([file("a", "1")])], platform: host });
    registry.push(layout, "a/b:1");
    const image = await pull("a/b:1");
    const wrong = await failureOf(workshop.images.inspect("a/b:1"));
    expect(wrong.code).toBe("image-not-found");
    expect((await workshop.images.inspect(`${registry.host}/a/b:1`)).id).toBe(image.id);
  });

  test("works with a state folder of any name", async () => {
    const layout = join(workshop.home, "layout");
    writeLayout(layout, { layers: [layer([file("a", "1")])], platform: host });
    registry.push(layout, "path:1");
    const folder = join(workshop.home, `with space:and colon ${"long".repeat(35)}`);
    const request = registryOptions(`${registry.host}/path:1`);
    Bun.spawnSync(["mkdir", folder]);
    const image = await request.fetch(folder, {}, join(workshop.home, "layers"));
    expect(image.layers).toHaveLength(1);
  });

  test("that lacks the image is named, with what to do", async () => {
    const error = await failureOf(pull("none:1"));
    expect(error).toMatchObject({
      code: "image-not-found",
      hint: expect.stringContaining(`skopeo login ${registry.host}`),
    });
    await expectNothing();
  });

  test("that speaks plain http is refused unless that is allowed", async () => {
    const error = await failureOf(pull("none:1", { tlsVerify: true }));
    expect(error).toMatchObject({
      code: "registry-failed",
      hint: expect.stringContaining("--no-tls-verify"),
    });
  });

  test("that is left in the middle leaves no process and no file", async () => {
    const layout = join(workshop.home, "layout");
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)));
    const items = Array.from({ length: 300 }, (_, index) => ({ path: `f${index}`, content: noise }));
    writeLayout(layout, { layers: [layer(items, "none")], platform: host });
    registry.push(layout, "large:1");
    rmSync(layout, { recursive: true });
    const abort = new AbortController();
    const pulled = pull("large:1", {
      signal: abort.signal,
      onProgress: ({ step }: { step: string }) => {
        if (!step.startsWith("asking")) abort.abort();
      },
    });
    expect((await failureOf(pulled)).code).toBe("interrupted");
    await sleep(50);
    await expectNothing();
  });
});

function registryOptions(reference: string, limits = {}) {
  const parsed = parseReference(reference);
  if (parsed.transport !== "docker") throw new Error("not in a registry");
  return registryOrigin(parsed, { platform: parsePlatform(undefined), tlsVerify: false, limits });
}

describe.skipIf(skip)("a bad registry", () => {
  let registry: BadRegistry;
  beforeAll(async () => {
    registry = await BadRegistry.start();
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
  });

  const cases: readonly (readonly [name: string, code: string, message: RegExp, hint: RegExp])[] = [
    ["unauthorized", "registry-failed", /does not give/, /skopeo login 127\.0\.0\.1/],
    ["denied", "registry-failed", /does not give/, /skopeo login 127\.0\.0\.1/],
    ["unknown", "image-not-found", /has no image/, /check the name/],
    ["web", "image-not-found", /has no image/, /check the name/],
    ["broken", "registry-failed", /answered with an error/, /try again/],
    ["busy", "registry-failed", /allows no more pulls/, /wait/],
    ["garbage", "registry-failed", /no manifest/, /log-in page/],
    ["page", "registry-failed", /no manifest/, /log-in page/],
    ["obsolete", "image-invalid", /obsolete/, /pushed again/],
  ];
  for (const [name, code, message, hint] of cases) {
    test(`that answers '${name}' gives ${code}, and nothing is left`, async () => {
      const pulled = workshop.images.pull({ reference: `${registry.host}/${name}/x:1`, tlsVerify: false });
      const error = await failureOf(pulled);
      expect(error).toMatchObject({ code });
      expect(error.message).toMatch(message);
      expect(error.hint).toMatch(hint);
      expect(error.message).toMatch(/^[\x20-\x7e]{1,600}$/);
      await expectNothing();
    });
  }

  test("that never answers is not waited for", async () => {
    const origin = registryOptions(`${registry.host}/silent/x:1`, { answerMs: 300 });
    expect(await failureOf(Promise.resolve(origin.identify({})))).toMatchObject({ code: "timeout" });
  });

  test("that is down, or is not there, is named", async () => {
    for (const reference of ["127.0.0.1:9/x:1", "no-such-host.invalid/x:1"]) {
      const pulled = workshop.images.pull({ reference, tlsVerify: false });
      expect(await failureOf(pulled)).toMatchObject({
        code: "registry-failed",
        message: expect.stringContaining("cannot be reached"),
      });
    }
    await expectNothing();
  });
});
