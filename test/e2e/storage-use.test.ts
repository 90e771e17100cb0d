import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBzImage } from "../../src/kernel/testing/fake-kernel.ts";
import { checkFileSystem, isMarked, mark } from "../support/disks.ts";
import { TestInstallation } from "../support/ember.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";
import { storageKinds } from "../support/storages.ts";

// The commands over every storage: what is shared, who depends on whom, bad input, two at once. No guest is booted.

const mib = 2 ** 20;
const markAt = 1023 * mib;
const nothing = { finished: [], undone: [], stopped: [], removed: [] };

interface Row {
  readonly kind: string;
  readonly name: string;
  readonly referencedBytes: number | null;
  readonly exclusiveBytes: number | null;
  readonly sharedBytes: number | null;
}

for (const kind of storageKinds()) {
  describe(`commands on ${kind.name}`, () => {
    let ember: TestInstallation;
    let work: string;

    beforeAll(async () => {
      work = mkdtempSync(join(tmpdir(), "ember-storage-use-"));
      writeBusyboxTar(join(work, "rootfs.tar"));
      writeFileSync(join(work, "kernel"), makeBzImage());
      ember = new TestInstallation();
      await ember.ok(["init", ...kind.init()]);
      await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
      await ember.ok(["kernel", "import", join(work, "kernel"), "--name", "fake"]);
      await ember.ok(["kernel", "default", "fake"]);
      await ember.ok(["vm", "create", "web", "--image", "busybox", "--disk-size", "1G", "--no-start"]);
    });

    afterAll(async () => {
      await ember.ok(["deinit", "--purge"]);
      expect(ember.leftovers()).toEqual([]);
      await ember[Symbol.asyncDispose]();
      rmSync(work, { recursive: true, force: true });
    });

    const usage = async (): Promise<Map<string, Row>> => {
      const report = JSON.parse(await ember.ok(["storage", "usage", "--format", "json"]));
      const rows: Row[] = report.disks;
      return new Map(rows.map((row) => [row.name, row]));
    };

    test("what a VM writes is its own, and what it shares is not", async () => {
      const before = (await usage()).get("web");
      await ember.ok(["snapshot", "create", "web", "empty"]);
      await mark(ember.stateDir, "web", markAt, 0x41);
      const rows = await usage();
      const grown = (rows.get("web")?.exclusiveBytes ?? 0) - (before?.exclusiveBytes ?? 0);
      expect(grown).toBeGreaterThanOrEqual(0);
      expect(grown).toBeLessThan(mib);
      expect(rows.get("busybox")?.referencedBytes).toBeGreaterThan(mib / 2);
      expect(rows.get("web/empty")?.exclusiveBytes).toBeLessThan(mib);
      for (const row of rows.values()) {
        expect((row.exclusiveBytes ?? 0) + (row.sharedBytes ?? 0)).toBe(row.referencedBytes ?? 0);
      }
      await ember.ok(["snapshot", "delete", "web", "empty"]);
    });

    test("five forks at once of one source are all made, and are independent", async () => {
      await mark(ember.stateDir, "web", markAt, 0x42);
      const names = [1, 2, 3, 4, 5].map((number) => `fork-${number}`);
      await Promise.all(names.map((name) => ember.ok(["vm", "fork", "web", name, "--no-start"])));
      await mark(ember.stateDir, "fork-1", markAt, 0x43);
      expect(await isMarked(ember.stateDir, "fork-2", markAt, 0x42)).toBe(true);
      expect(await isMarked(ember.stateDir, "web", markAt, 0x42)).toBe(true);
      for (const name of names) await checkFileSystem(ember.stateDir, name);
      await ember.ok(["vm", "delete", ...names]);
      expect(await ember.json(["reconcile"])).toEqual(nothing);
    });

    test("a source that is deleted while it is forked: one of both happens, whole", async () => {
      await ember.ok(["vm", "fork", "web", "source", "--no-start"]);
      const [fork, remove] = await Promise.all([
        ember.run(["vm", "fork", "source", "copy", "--no-start"]),
        ember.run(["vm", "delete", "--force", "source"]),
      ]);
      expect(remove.status).toBe(0);
      const names = JSON.parse(await ember.ok(["vm", "list", "--format", "json"])).map(
        (vm: { name: string }) => vm.name,
      );
      expect(names).not.toContain("source");
      if (names.includes("copy")) await checkFileSystem(ember.stateDir, "copy");
      else expect([0, 3]).toContain(fork.status); // taken along, or too late
      await ember.run(["vm", "delete", "copy"]);
      expect(await ember.json(["reconcile"])).toEqual(nothing);
    });

    test("many forks are one operation, and their names all or none", async () => {
      await ember.ok(["vm", "fork", "web", "many", "--count", `${kind.many}`, "--no-start"]);
      const names = JSON.parse(await ember.ok(["vm", "list", "--format", "json"])).map(
        (vm: { name: string }) => vm.name,
      );
      expect(names).toHaveLength(kind.many + 1);
      expect(names).toContain(`many-${kind.many}`);
      expect(await isMarked(ember.stateDir, "many-7", markAt, 0x42)).toBe(true);
      const taken = await ember.run(["vm", "fork", "web", "many", "--count", "3", "--no-start"]);
      expect(taken.status).toBe(4);
      await ember.ok(["vm", "delete", ...names.filter((name: string) => name !== "web")]);
      expect(await ember.json(["vm", "list"])).toMatchObject([{ name: "web" }]);
      expect(await ember.json(["reconcile"])).toEqual(nothing);
    });

    test("the tree shows who came from whom", async () => {
      await ember.ok(["snapshot", "create", "web", "one"]);
      await ember.ok(["vm", "fork", "web", "child", "--no-start"]);
      await ember.ok(["vm", "fork", "child", "grandchild", "--no-start"]);
      expect(await ember.json(["vm", "tree"])).toMatchObject([
        {
          kind: "image",
          name: "busybox",
          children: [
            {
              kind: "vm",
              name: "web",
              children: [
                { kind: "snapshot", name: "one" },
                { kind: "vm", name: "child", children: [{ kind: "vm", name: "grandchild" }] },
              ],
            },
          ],
        },
      ]);
      await ember.ok(["vm", "delete", "grandchild", "child"]);
      await ember.ok(["snapshot", "delete", "web", "one"]);
    });

    test("names of snapshots that are none are refused before anything happens", async () => {
      for (const name of [
        "../x",
        "/etc/passwd",
        "a/b",
        "a b",
        "",
        ".",
        "..",
        "A",
        "x".repeat(64),
        "before-restore",
      ]) {
        const result = await ember.run(["snapshot", "create", "web", "--", name]);
        expect({ name, status: result.status }).toEqual({ name, status: 2 });
      }
      expect(await ember.json(["snapshot", "list"])).toEqual([]);
    });

    test("an image goes with its VMs and their forks and snapshots, when that is asked for", async () => {
      await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "second"]);
      await ember.ok(["vm", "create", "aa", "--image", "second", "--disk-size", "1G", "--no-start"]);
      await ember.ok(["snapshot", "create", "aa", "one"]);
      await ember.ok(["vm", "fork", "aa", "bb", "--no-start"]);
      await ember.ok(["vm", "fork", "bb", "cc", "--no-start"]);
      expect((await ember.run(["image", "delete", "second"])).status).toBe(4);
      await ember.ok(["image", "delete", "--force", "second"]);
      expect(await ember.json(["vm", "list"])).toMatchObject([{ name: "web" }]);
      expect(await ember.json(["reconcile"])).toEqual(nothing);
    });

    test("a disk grows and never shrinks", async () => {
      await ember.ok(["vm", "fork", "web", "grown", "--no-start"]);
      await ember.ok(["vm", "resize", "grown", "--disk-size", "2G"]);
      await checkFileSystem(ember.stateDir, "grown");
      expect(await isMarked(ember.stateDir, "grown", markAt, 0x42)).toBe(true);
      const result = await ember.run(["vm", "resize", "grown", "--disk-size", "1G"]);
      expect(result.status).toBe(4);
      expect(result.stderr).toMatch(/smaller/);
      await ember.ok(["vm", "delete", "grown"]);
    });
  });
}
