import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkFileSystem } from "../support/disks.ts";
import { hypervisorsOf, TestInstallation } from "../support/ember.ts";
import { onPlatform } from "../support/platform.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// Snapshots and forks of a real guest, running and stopped, on storage that clones disks in use.
let ember: TestInstallation;
let work: string;

beforeAll(async () => {
  ember = new TestInstallation();
  work = mkdtempSync(join(tmpdir(), "ember-snapshots-"));
  writeBusyboxTar(join(work, "rootfs.tar"));
  await ember.ok(["init", ...onPlatform.reflink("4G")]);
  await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
  await ember.ok(["vm", "create", "web", "--image", "busybox", "--memory", "256M", "--disk-size", "1G"]);
}, 300_000);

afterAll(async () => {
  await ember.ok(["deinit", "--purge"]);
  expect(ember.leftovers()).toEqual([]);
  await ember[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

const sh = (script: string, vm = "web"): Promise<string> => ember.ok(["exec", vm, "--", "sh", "-c", script]);

describe("a running VM", () => {
  test("is snapshot while it writes; the disk is sound and holds what was written before", async () => {
    await sh("mkdir -p /data; echo one > /data/kept; echo old > /data/changed; sync");
    await sh(
      "(while :; do dd if=/dev/urandom of=/data/load bs=64k count=64 2>/dev/null; done) >/dev/null 2>&1 &",
    );
    const made = await ember.json(["snapshot", "create", "web", "busy"]);
    expect(made).toMatchObject({ vm: "web", name: "busy", vmStatus: "running", diskBytes: 2 ** 30 });
    await sh(
      "killall dd sh 2>/dev/null; kill $(ps | grep '[d]d if' | sed 's/^ *//' | cut -d' ' -f1) || true",
    ).catch(() => "");
    // It goes on: the freeze was only for the moment.
    await sh("echo two > /data/added; echo new > /data/changed; rm /data/kept; sync");
    expect(await sh("cat /data/changed")).toBe("new");
  }, 120_000);

  test("tells which files changed since a snapshot, by name and kind of change", async () => {
    const changes = await ember.json(["snapshot", "diff", "web", "busy"]);
    const byPath = new Map((Array.isArray(changes) ? changes : []).map((change) => [change.path, change]));
    expect(byPath.get("/data/added")).toMatchObject({ change: "added", type: "file", sizeAfter: 4 });
    expect(byPath.get("/data/kept")).toMatchObject({ change: "removed", sizeBefore: 4 });
    expect(byPath.get("/data/changed")).toMatchObject({ change: "modified", aspects: ["content"] });
    expect(byPath.has("/bin/busybox")).toBe(false);
    expect(await ember.json(["snapshot", "list", "web"])).toMatchObject([{ name: "busy" }]);
  }, 120_000);

  test("cannot be restored, and is told how it can", async () => {
    const result = await ember.run(["snapshot", "restore", "web", "busy"]);
    expect(result.status).toBe(4);
    expect(result.stderr).toContain("ember vm stop web");
  });

  test("is forked several times at one moment; each fork is a machine of its own", async () => {
    await sh("echo moment > /data/moment");
    const flags = ["--count", "2", "--memory", "256M", "--quiet"];
    expect(await ember.ok(["vm", "fork", "web", "copy", ...flags])).toBe("copy-1\ncopy-2");
    for (const name of ["copy-1", "copy-2"]) {
      expect(await sh("cat /data/moment; hostname", name)).toBe(`moment\n${name}`);
      await sh(`echo ${name} > /data/own; sync`, name);
    }
    expect(await sh("cat /data/own", "copy-1")).toBe("copy-1");
    expect(await sh("ls /data")).not.toContain("own");
    const keys = await Promise.all(["web", "copy-1", "copy-2"].map((name) => ember.ok(["ssh-config", name])));
    expect(new Set(keys).size).toBe(3);
    await ember.ok(["vm", "stop", "copy-1", "copy-2"]);
    for (const name of ["copy-1", "copy-2"]) await checkFileSystem(ember.stateDir, name);
    await ember.ok(["vm", "delete", "copy-1", "copy-2"]);
  }, 180_000);
});

describe("a restore", () => {
  const facts = async (): Promise<unknown> => {
    const { id, network, createdAt } = JSON.parse(
      await ember.ok(["vm", "inspect", "web", "--format", "json"]),
    );
    return { id, network, createdAt };
  };

  test("brings the disk back, keeps the identity, and can itself be undone", async () => {
    await ember.ok(["vm", "start", "web"]);
    const before = await facts();
    const key = await ember.ok(["ssh-config", "web"]);
    await ember.ok(["vm", "stop", "web"]);
    await ember.ok(["snapshot", "restore", "web", "busy"]);
    await checkFileSystem(ember.stateDir, "web");
    expect(await ember.json(["snapshot", "list", "web"])).toMatchObject([
      { name: "busy" },
      { name: "before-restore" },
    ]);
    await ember.ok(["vm", "start", "web"]);
    expect(await sh("cat /data/kept /data/changed; ls /data/added 2>/dev/null | wc -l")).toBe("one\nold\n0");
    expect(await facts()).toEqual(before);
    expect((await ember.ok(["ssh-config", "web"])).replaceAll(/Port \d+/g, "")).toBe(
      key.replaceAll(/Port \d+/g, ""),
    );
    await ember.ok(["vm", "stop", "web"]);
    await ember.ok(["snapshot", "restore", "web", "before-restore"]);
    await ember.ok(["vm", "start", "web"]);
    expect(await sh("cat /data/changed /data/added")).toBe("new\ntwo");
  }, 180_000);

  test("of a snapshot that the VM does not have is refused, another VM's included", async () => {
    await ember.ok(["vm", "fork", "web", "other", "--no-start"]);
    await ember.ok(["snapshot", "create", "other", "theirs"]);
    await ember.ok(["vm", "stop", "web"]);
    for (const name of ["theirs", "other/theirs", "../busy", "/busy"]) {
      const result = await ember.run(["snapshot", "restore", "web", "--", name]);
      expect(result.status).toBe(3);
      expect(result.stderr).toContain("has no snapshot");
    }
    const refused = await ember.run(["vm", "delete", "other"]);
    expect(refused.status).toBe(4);
    expect(refused.stderr).toContain("theirs");
    await ember.ok(["vm", "delete", "--force", "other"]);
  }, 60_000);

  test("leaves nothing behind on the host", async () => {
    await ember.ok(["vm", "delete", "--force", "web"]);
    expect(hypervisorsOf(ember.stateDir)).toEqual([]);
    expect(await ember.json(["snapshot", "list"])).toEqual([]);
    expect(await ember.json(["reconcile"])).toEqual({ finished: [], undone: [], stopped: [], removed: [] });
  });
});
