import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostArchitecture } from "../../src/guest/binary/architecture.ts";
import { TestInstallation } from "../support/ember.ts";
import { writeLayout } from "../support/layouts.ts";
import { missingForRegistry, TestRegistry } from "../support/registry.ts";
import { skipUnless } from "../support/require.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// A state folder on a file system of 48 MB: everything that does not fit fails whole, with the reason.
let ember: TestInstallation;
let work: string;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "ember-full-"));
  ember = new TestInstallation();
  mkdirSync(ember.stateDir, { recursive: true });
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=48M,mode=0700", "tmpfs", ember.stateDir]);
  expect(mounted.status).toBe(0);
  writeBusyboxTar(join(work, "small.tar"));
  // Random, so that no hole and no compression makes it smaller.
  writeFileSync(join(work, "big"), randomBytes(80_000_000));
  expect(spawnSync("tar", ["-cf", join(work, "big.tar"), "-C", work, "big"]).status).toBe(0);
  await ember.ok(["init", "--storage", "qcow2"]);
}, 60_000);

afterAll(async () => {
  await ember.run(["deinit", "--purge"]);
  spawnSync("umount", [ember.stateDir]);
  await ember[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

test("an image that does not fit is refused and leaves nothing; a smaller one fits then", async () => {
  const result = await ember.run([
    "image",
    "import",
    join(work, "big.tar"),
    "--name",
    "big",
    "--format",
    "json",
  ]);
  expect(result.status).toBe(1);
  expect(JSON.parse(result.stderr)).toMatchObject({ error: { code: "disk-full", hint: expect.any(String) } });
  expect(await ember.json(["image", "list"])).toEqual([]);
  await ember.ok(["image", "import", join(work, "small.tar"), "--name", "small"]);
  expect(await ember.json(["image", "list"])).toMatchObject([{ name: "small" }]);
}, 120_000);

const missing = missingForRegistry();
test.skipIf(skipUnless("registry", missing === undefined, missing ?? ""))(
  "an image whose layers do not fit is refused while it is pulled, and leaves nothing",
  async () => {
    await using registry = await TestRegistry.start();
    const layers = [{ tar: readFileSync(join(work, "big.tar")) }];
    writeLayout(join(work, "layout"), { layers, platform: `linux/${hostArchitecture()}` });
    registry.push(join(work, "layout"), "big");
    const reference = `${registry.host}/big`;
    const result = await ember.run(["image", "pull", reference, "--no-tls-verify", "--format", "json"]);
    expect(result.status).toBe(1);
    expect(JSON.parse(result.stderr)).toMatchObject({
      error: { code: "disk-full", hint: expect.any(String) },
    });
    expect(await ember.json(["image", "list"])).toMatchObject([{ name: "small" }]);
    expect(await ember.json(["reconcile"])).toEqual({ finished: [], undone: [], stopped: [], removed: [] });
  },
  120_000,
);

test("a kernel that does not fit is refused and leaves nothing", async () => {
  const result = await ember.run(["kernel", "pull", "debian", "--format", "json"], { timeoutMs: 280_000 });
  expect(result.status).toBe(1);
  expect(JSON.parse(result.stderr)).toMatchObject({ error: { code: "disk-full" } });
  expect(await ember.json(["kernel", "list"])).toEqual([]);
  const kernels = join(ember.stateDir, "kernels");
  await ember.ok(["reconcile"]);
  expect(readdirSync(kernels, { withFileTypes: true }).map((entry) => entry.name)).toEqual([]);
}, 300_000);
