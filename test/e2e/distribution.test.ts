import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkDisk, withMounted } from "../../src/image/ext4/testing/disks.ts";
import { readTree } from "../../src/image/ext4/testing/read-tree.ts";
import { sharedCache, TestInstallation } from "../support/ember.ts";
import { writeLayout } from "../support/layouts.ts";

// A whole Debian, and a layer over it that umoci makes, on ember's disk and unpacked by umoci: the same to the last attribute.
const ember = new TestInstallation();
const work = mkdtempSync(join(tmpdir(), "ember-distribution-"));
const layout = join(work, "layout");

function umoci(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("umoci", [...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(`umoci ${args.join(" ")}: ${stderr}`);
}

/** What installing, upgrading and removing packages does to a root file system. */
function change(root: string): void {
  rmSync(join(root, "usr/share/doc"), { recursive: true });
  rmSync(join(root, "etc/alternatives"), { recursive: true });
  symlinkSync("../usr/share", join(root, "etc/alternatives"));
  renameSync(join(root, "usr/share/zoneinfo"), join(root, "usr/share/zones"));
  appendFileSync(join(root, "etc/passwd"), "new:x:70000:70000::/home/new:/bin/sh\n");
  linkSync(join(root, "usr/bin/env"), join(root, "usr/bin/env-too"));
  chmodSync(join(root, "usr/bin/env"), 0o4755);
  writeFileSync(join(root, "opt/large"), Buffer.alloc(9_000_000, "ember"));
  spawnSync("setcap", ["cap_net_raw+ep", join(root, "usr/bin/env")]);
  spawnSync("setfattr", ["-n", "user.note", "-v", "of ours", join(root, "opt/large")]);
}

beforeAll(async () => {
  await ember.ok(["init"]);
  await ember.ok(["image", "bootstrap", "debian"], { timeoutMs: 900_000 });
  const folder = join(sharedCache, "bootstrap");
  const name = readdirSync(folder).find((file) => file.endsWith(".tar")) ?? "";
  writeLayout(layout, { layers: [{ tar: readFileSync(join(folder, name)) }] });
  umoci("unpack", "--image", `${layout}:latest`, join(work, "first"));
  change(join(work, "first", "rootfs"));
  umoci("repack", "--image", `${layout}:latest`, join(work, "first"));
  rmSync(join(work, "first"), { recursive: true });
}, 1_200_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

test("a distribution's layers come out as umoci unpacks them", async () => {
  umoci("unpack", "--image", `${layout}:latest`, join(work, "second"));
  await ember.ok(["image", "import", layout, "--name", "changed"]);
  const [image] = JSON.parse(await ember.ok(["image", "list", "--format", "json"])).filter(
    (each: { name: string }) => each.name === "changed",
  );
  const disk = join(ember.stateDir, "storage", "images", `${image.id}.ext4`);
  await checkDisk(disk);
  const ours = await withMounted(disk, "ro", readTree);
  const theirs = await readTree(join(work, "second", "rootfs"));
  expect(Object.keys(ours).length).toBeGreaterThan(5000);
  expect(ours["usr/bin/env"]?.xattrs).toHaveProperty(["security.capability"]);
  expect(ours).toEqual(theirs);
}, 300_000);
