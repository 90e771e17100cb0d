import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lookUpTool } from "../../src/host/tools.ts";
import type { OtherRoot } from "../../src/types.ts";
import { checkFileSystem } from "../support/disks.ts";
import { TestInstallation } from "../support/ember.ts";
import { skipUnless } from "../support/require.ts";
import { rootMib, writeRootDisk } from "../support/root-disks.ts";

// Images whose root is on XFS (Rocky, Alma, Amazon) or btrfs (Fedora), from a disk to VMs, snapshots and forks of them.

const mib = 2 ** 20;
const gib = 2 ** 30;

function missingFor(kind: OtherRoot): string | undefined {
  if (lookUpTool(`mkfs.${kind}`) === undefined) return `mkfs.${kind} is not installed`;
  // Subvolumes are made on a mounted file system.
  return kind === "btrfs" && process.getuid?.() !== 0 ? "making subvolumes needs root" : undefined;
}

describe.each(["xfs", "btrfs"] as const)("a VM whose root is on %s", (kind) => {
  const reason = missingFor(kind);
  const skip = skipUnless(kind, reason === undefined, reason ?? "");
  let ember: TestInstallation;
  let work: string;
  let digest: string;

  beforeAll(async () => {
    if (skip) return;
    work = mkdtempSync(join(tmpdir(), "ember-roots-"));
    ember = new TestInstallation();
    writeRootDisk(kind, join(work, "cloud.raw"), (tree) =>
      writeFileSync(join(tree, "root/content"), Buffer.alloc(3 * mib, "what was installed")),
    );
    await ember.ok(["init"]);
    await ember.ok(["image", "import", join(work, "cloud.raw"), "--name", "cloud"]);
    await ember.ok(["vm", "create", "web", "--image", "cloud", "--memory", "256M", "--disk-size", "1G"]);
    digest = await exec("web", "sha256sum /root/content");
  }, 300_000);

  afterAll(async () => {
    if (skip) return;
    await ember.ok(["deinit", "--purge"]);
    expect(ember.leftovers()).toEqual([]);
    await ember[Symbol.asyncDispose]();
    rmSync(work, { recursive: true, force: true });
  });

  const exec = (name: string, script: string): Promise<string> =>
    ember.ok(["exec", name, "--", "sh", "-ec", script]);

  /** The root is of its kind and of that size, less what XFS keeps for its log, and holds what was installed. */
  async function expectRoot(name: string, bytes: number): Promise<void> {
    const [device, , fileSystem, options] = (await exec(name, "grep ' / ' /proc/mounts")).split(" ");
    expect({ device, fileSystem }).toEqual({ device: "/dev/vda", fileSystem: kind });
    expect(options).toStartWith("rw");
    const size = Number(await exec(name, "stat -f -c '%b * %S' / | { read a _ b; echo $((a * b)); }"));
    expect(size).toBeLessThanOrEqual(bytes);
    expect(size).toBeGreaterThan(bytes - 80 * mib);
    expect(await exec(name, "sha256sum /root/content")).toBe(digest);
  }

  test.skipIf(skip)("boots from the root partition as it is, which grew to the disk's size", async () => {
    expect(await ember.json(["image", "inspect", "cloud"])).toMatchObject({
      fileSystem: kind,
      diskBytes: rootMib * mib,
    });
    await expectRoot("web", gib);
    expect(await exec("web", "stat -c %a /tmp; stat -c %N /bin/sh")).toContain("busybox");
  });

  if (kind === "btrfs") {
    test.skipIf(skip)("has the subvolume that is a root, and others beside it", async () => {
      expect(await exec("web", "grep ' / ' /proc/mounts")).toContain("subvol=/root");
      const home = "mount -t btrfs -o subvol=home /dev/vda /home; ls /home; umount /home";
      expect(await exec("web", home)).toBe("of-home");
    });
  }

  test.skipIf(skip)("grows while it runs", async () => {
    await ember.ok(["vm", "resize", "web", "--disk-size", "2G"]);
    await expectRoot("web", 2 * gib);
    await ember.ok(["vm", "resize", "web", "--disk-size", "2G"]);
    await expectRoot("web", 2 * gib);
  });

  test.skipIf(skip)(
    "is snapshotted and forked while it writes",
    async () => {
      const write = "i=0; while true; do echo $i > /root/written; i=$((i + 1)); done";
      await exec("web", `echo before > /root/state; sync; (${write}) >/dev/null 2>&1 &`);
      await ember.ok(["snapshot", "create", "web", "one"]);
      await ember.ok(["vm", "fork", "web", "copy"]);
      await expectRoot("copy", 2 * gib);
      expect(await exec("copy", "cat /root/state")).toBe("before");
      await exec("copy", "echo after > /root/state; sync");
      expect(await exec("web", "cat /root/state")).toBe("before");
      const goesOn =
        'a=$(cat /root/written); for i in $(seq 100); do [ "$(cat /root/written)" = "$a" ] || exit 0; sleep 0.1; done; exit 1';
      await exec("web", goesOn);
      await ember.ok(["vm", "stop", "copy"]);
      await checkFileSystem(ember.stateDir, "copy", kind);
      await ember.ok(["vm", "delete", "copy"]);
    },
    120_000,
  );

  test.skipIf(skip)(
    "boots after it was killed, from a log that was not written back, and from a snapshot",
    async () => {
      await exec("web", "echo killed > /root/state; sync");
      await ember.ok(["vm", "stop", "web", "--force"]);
      await ember.ok(["vm", "start", "web"]);
      await expectRoot("web", 2 * gib);
      expect(await exec("web", "cat /root/state")).toBe("killed");
      await ember.ok(["vm", "stop", "web"]);
      await checkFileSystem(ember.stateDir, "web", kind);
      await ember.ok(["snapshot", "restore", "web", "one"]);
      await ember.ok(["vm", "resize", "web", "--disk-size", "3G"]);
      await ember.ok(["vm", "start", "web"]);
      await expectRoot("web", 3 * gib);
      expect(await exec("web", "cat /root/state")).toBe("before");
    },
    120_000,
  );

  test.skipIf(skip)(
    "gives back what is deleted",
    async () => {
      await exec("web", "head -c 60000000 /dev/urandom > /root/large; sync; rm /root/large");
      expect(await ember.ok(["storage", "trim", "web"])).toContain("discarded");
    },
    60_000,
  );

  test.skipIf(skip)(
    "is refused, before anything changes, with a kernel that is known not to mount it",
    async () => {
      const record = join(ember.stateDir, "kernels", "debian", "kernel.json");
      const made = readFileSync(record, "utf8");
      await ember.ok(["vm", "stop", "web"]);
      writeFileSync(record, JSON.stringify({ ...JSON.parse(made), roots: [] }));
      for (const args of [
        ["vm", "start", "web"],
        ["vm", "create", "other", "--image", "cloud"],
      ]) {
        const { status, stderr } = await ember.run(args);
        expect({ status, stderr }).toMatchObject({
          status: 4,
          stderr: expect.stringContaining("--kernel debian"),
        });
        expect(stderr).toContain(`on ${kind}, which the kernel 'debian' cannot mount`);
      }
      writeFileSync(record, made);
      expect(await ember.json(["vm", "list"])).toMatchObject([{ name: "web", status: "stopped" }]);
      await ember.ok(["vm", "start", "web"]);
    },
    60_000,
  );

  test.skipIf(skip)(
    "does not boot with one that nobody knows of and that cannot, and says why",
    async () => {
      const folder = join(ember.stateDir, "kernels", "debian");
      const modules = ["--initrd", join(folder, "modules.cpio")];
      await ember.ok(["kernel", "import", join(folder, "vmlinuz"), "--name", "unknown", ...modules]);
      const args = ["vm", "create", "other", "--image", "cloud", "--memory", "256M", "--kernel", "unknown"];
      const failed = await ember.run(args, { timeoutMs: 120_000 });
      expect(failed.status).toBe(1);
      expect(failed.stderr).toContain(`this kernel has no driver for ${kind}`);
      await ember.ok(["vm", "delete", "other"]);
    },
    150_000,
  );
});
