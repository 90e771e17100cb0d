import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fillFolder, loopMount, mib } from "../contract/storage/place.ts";
import { hypervisorsOf, TestInstallation } from "../support/ember.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// What goes wrong on a Mac, as its users meet it. The stand-ins fail as the real programs do.

const standins = process.env["EMBER_STANDINS"] ?? "";
const set = (name: string, text: string): void => writeFileSync(join(standins, name), text);
const wait = async (done: () => boolean): Promise<void> => {
  for (let attempt = 0; attempt < 500 && !done(); attempt++) await Bun.sleep(20);
};

afterEach(() => {
  for (const name of readdirSync(standins)) rmSync(join(standins, name));
});

describe("init", () => {
  const refusal = async (args: readonly string[] = [], toolFolder?: string) => {
    await using ember = new TestInstallation({ toolFolder });
    return await ember.run(["init", ...args]);
  };

  test("refuses a volume that is not APFS, with the remedy, and makes nothing there", async () => {
    await using place = await loopMount(["mkfs.ext4", "-q", "-F"], 16 * mib);
    const refused = await refusal(["--storage-path", join(place.path, "disks")]);
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("not APFS");
    expect(refused.stderr).toContain("hint: choose a folder on an APFS volume");
    expect(existsSync(join(place.path, "disks"))).toBe(false);
  });

  test("takes another volume that is APFS", async () => {
    await using place = await loopMount(["mkfs.xfs", "-q"], 301 * mib);
    await using ember = new TestInstallation();
    await ember.ok(["init", "--storage-path", join(place.path, "disks")]);
    await ember.ok(["deinit", "--purge"]);
  });

  for (const [state, message] of [
    ["unsigned", "signed"],
    ["no-entitlement", "entitlement"],
  ] as const) {
    test(`names an ember-vz that is ${state}, and how to sign it`, async () => {
      set("codesign", state);
      const refused = await refusal(["--hypervisor", "vz"]);
      expect(refused.status).not.toBe(0);
      expect(refused.stderr).toContain(message);
      expect(refused.stderr).toContain("codesign --force --sign -");
    });
  }

  test("names a macOS that is too old", async () => {
    set("macos", "12.7.6\n");
    const refused = await refusal(["--hypervisor", "vz"]);
    expect(refused.stderr).toContain("12.7.6");
    expect(refused.stderr).toContain("macOS 13");
  });

  test("names an ember-vz that is no ember-vz", async () => {
    const folder = mkdtempSync(join(tmpdir(), "not-vz-"));
    writeFileSync(join(folder, "ember-vz"), "#!/bin/sh\necho hello\n");
    chmodSync(join(folder, "ember-vz"), 0o755);
    const refused = await refusal(["--hypervisor", "vz"], folder);
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("install ember again");
    rmSync(folder, { recursive: true });
  });

  test("names an ember-vz that is missing, and where it comes from", async () => {
    await using ember = new TestInstallation();
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
    const refused = await ember.run(["init", "--hypervisor", "vz"], { env });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("'ember-vz' is not installed");
    expect(refused.stderr).toContain("brew reinstall ember");
    const doctor = await ember.run(["doctor"], { env });
    expect(doctor.stdout).toContain("'ember-vz' is not installed");
  });

  test("says why QEMU takes ember-vz's place", async () => {
    set("codesign", "unsigned");
    await using ember = new TestInstallation();
    const chosen = await ember.run(["init"]);
    expect(chosen).toMatchObject({ status: 0 });
    expect(chosen.stderr).toContain("qemu takes its place");
    expect(await ember.json(["info"])).toMatchObject({ hypervisor: "qemu" });
  });
});

describe("a VM", () => {
  let ember: TestInstallation;
  let work: string;
  const address = async (): Promise<string> => {
    const found = /"guestIp": ?"([0-9.]+)"/.exec(
      await ember.ok(["vm", "inspect", "web", "--format", "json"]),
    );
    return found?.[1] ?? "none";
  };

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), "ember-work-"));
    writeBusyboxTar(join(work, "rootfs.tar"));
    ember = new TestInstallation();
    await ember.ok(["init"]);
    await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
    await ember.ok(["vm", "create", "web", "--image", "busybox", "--memory", "256M", "--no-start"]);
  }, 300_000);

  afterAll(async () => {
    await ember.ok(["deinit", "--purge", "--force"]).catch(() => undefined);
    await ember[Symbol.asyncDispose]();
    rmSync(work, { recursive: true, force: true });
  });

  test("moves to another address when a machine of others has its own, and says so", async () => {
    expect(await address()).toBe("192.168.64.254");
    set("arp", "? (192.168.64.254) at 52:54:0:ab:c:1 on bridge100 ifscope [bridge]\n");
    const started = await ember.run(["vm", "start", "web"]);
    expect(started).toMatchObject({ status: 0 });
    expect(started.stderr).toContain("moves from 192.168.64.254 to 192.168.64.253");
    expect(await address()).toBe("192.168.64.253");
    expect(await ember.ok(["exec", "web", "--", "cat", "/proc/net/fib_trie"])).toContain("192.168.64.253");
    await ember.ok(["vm", "stop", "web"]);
  }, 120_000);

  test("moves along when macOS's network for VMs has moved", async () => {
    set("vmnet", "192.168.105.1\n");
    const started = await ember.run(["vm", "start", "web"]);
    expect(started.stderr).toContain("moves from 192.168.64.253 to 192.168.105.254");
    expect(await ember.ok(["exec", "web", "--", "cat", "/proc/net/route"])).toContain("0169A8C0");
    await ember.ok(["vm", "stop", "web"]);
    rmSync(join(standins, "vmnet"));
    await ember.ok(["vm", "start", "web"]);
    expect(await address()).toBe("192.168.64.254");
  }, 120_000);

  test("that took another address by itself is shown at that", async () => {
    const mac = /"mac": ?"([0-9a-f:]+)"/.exec(
      await ember.ok(["vm", "inspect", "web", "--format", "json"]),
    )?.[1];
    set("arp", `? (192.168.64.77) at ${mac?.replace(/\b0/g, "")} on bridge100 ifscope [bridge]\n`);
    expect(await address()).toBe("192.168.64.77");
    rmSync(join(standins, "arp"));
    expect(await address()).toBe("192.168.64.254");
  });

  test("whose ember-vz is killed has lost its power: it is noticed, and nothing is left of it", async () => {
    for (const pid of hypervisorsOf(ember.stateDir)) process.kill(pid, "SIGKILL");
    await wait(() => hypervisorsOf(ember.stateDir).length === 0);
    expect(await ember.json(["vm", "list"])).toMatchObject([{ name: "web", status: "stopped" }]);
    await ember.ok(["vm", "start", "web"]);
    expect(await ember.ok(["exec", "web", "--", "echo", "back"])).toBe("back");
    await ember.ok(["vm", "stop", "web"]);
  }, 120_000);

  test("whose ember-vz is asked to end, as at logout, turns itself off in order", async () => {
    await ember.ok(["vm", "start", "web"]);
    await ember.ok(["exec", "web", "--", "sh", "-c", "echo kept > /root/unsynced"]);
    for (const pid of hypervisorsOf(ember.stateDir)) process.kill(pid, "SIGTERM");
    await wait(() => hypervisorsOf(ember.stateDir).length === 0);
    expect(await ember.json(["vm", "list"])).toMatchObject([{ name: "web", status: "stopped" }]);
    await ember.ok(["vm", "start", "web"]);
    expect(await ember.ok(["exec", "web", "--", "cat", "/root/unsynced"])).toBe("kept");
    await ember.ok(["vm", "stop", "web"]);
  }, 120_000);

  test("with more processors or memory than the host has is refused by the numbers", async () => {
    const create = (...flags: string[]) =>
      ember.run(["vm", "create", "big", "--image", "busybox", "--no-start", ...flags]);
    expect((await create("--memory", "900G")).stderr).toContain("a VM cannot have 900G of memory here");
    expect(await create("--cpus", "60")).toMatchObject({ status: 0 }); // the framework says how many it gives
    const refused = await ember.run(["vm", "start", "big"]);
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toMatch(/60 .*processors|processors.* 60/);
    await ember.ok(["vm", "delete", "big", "--force"]);
  }, 120_000);

  test("is not made on a volume that is full, which is said, and nothing half-made is left", async () => {
    await using place = await loopMount(["mkfs.btrfs", "-q", "--mixed"], 110 * mib);
    await using other = new TestInstallation();
    await other.ok(["init", "--storage-path", join(place.path, "disks")]);
    await other.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
    const giveBack = await fillFolder(place.path);
    let last = { status: 0, stderr: "" };
    for (let number = 0; number < 400 && last.status === 0; number++)
      last = await other.run(["vm", "create", `full${number}`, "--image", "busybox", "--no-start"]);
    expect(last.status).not.toBe(0);
    expect(last.stderr).toMatch(/is full|No space/);
    await giveBack();
    expect(readdirSync(join(place.path, "disks", "staging"))).toEqual([]);
    expect(await other.json(["reconcile"])).toMatchObject({ undone: [], finished: [] });
  }, 300_000);
});
