import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hypervisorsOf, TestInstallation } from "../support/ember.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

let ember: TestInstallation;
let work: string;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "ember-starts-"));
  writeBusyboxTar(join(work, "rootfs.tar"));
  ember = new TestInstallation();
  await ember.ok(["init"]);
  await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
  await ember.ok(["vm", "create", "web", "--image", "busybox", "--memory", "256M", "--no-start"]);
}, 300_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

test("fifty starts in a row all reach the agent", async () => {
  for (let start = 1; start <= 50; start++) {
    await ember.ok(["vm", "start", "web"]);
    expect(await ember.ok(["exec", "web", "--", "echo", `${start}`])).toBe(`${start}`);
    await ember.ok(["vm", "stop", "--force", "web"]);
    expect(hypervisorsOf(ember.stateDir)).toEqual([]);
  }
}, 900_000);

test("two processors start as reliably", async () => {
  await ember.ok(["vm", "update", "web", "--cpus", "2"]);
  for (let start = 1; start <= 5; start++) {
    await ember.ok(["vm", "start", "web"]);
    expect(await ember.ok(["exec", "web", "--", "sh", "-c", "grep -c ^processor /proc/cpuinfo"])).toBe("2");
    await ember.ok(["vm", "stop", "--force", "web"]);
  }
}, 300_000);
