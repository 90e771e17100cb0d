import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestInstallation } from "../support/ember.ts";
import { NetworkNamespace } from "../support/netns.ts";
import { skipUnless } from "../support/require.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// VMs of an installation find each other by name, whoever came first, in a network namespace that stands for the host.
const skipped = skipUnless("tap", process.getuid?.() === 0, "TAP interfaces need root");
const work = mkdtempSync(join(tmpdir(), "ember-names-"));
let host: NetworkNamespace | undefined;
let outside: NetworkNamespace | undefined;
let ember: TestInstallation;

beforeAll(async () => {
  if (skipped) return;
  host = new NetworkNamespace("names");
  outside = new NetworkNamespace("names-outside");
  host.connect(
    outside,
    { name: "wan0", address: "192.0.2.10/24" },
    { name: "eth0", address: "192.0.2.1/24" },
  );
  host.ip("route", "add", "default", "via", "192.0.2.1");
  writeBusyboxTar(join(work, "rootfs.tar"));
  ember = new TestInstallation({ namespace: host.name });
  await ember.ok([
    "init",
    "--network",
    "tap",
    "--hypervisor",
    "qemu",
    "--accel",
    "tcg",
    "--storage",
    "qcow2",
  ]);
  await ember.pullKernel();
  await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
  await make("a");
  await make("b");
}, 300_000);

afterAll(async () => {
  await ember?.[Symbol.asyncDispose]();
  host?.[Symbol.dispose]();
  outside?.[Symbol.dispose]();
  rmSync(work, { recursive: true, force: true });
});

async function make(name: string, ...flags: string[]): Promise<void> {
  await ember.ok(["vm", "create", name, "--image", "busybox", "--memory", "256M", ...flags]);
}

/** The address that a VM has for a name; undefined when it has none. */
async function lookUp(vm: string, name: string): Promise<string | undefined> {
  const { stdout } = await ember.run(["exec", vm, "--", "ping", "-c", "1", "-W", "1", name]);
  return /^PING \S+ \(([0-9.]+)\)/.exec(stdout)?.[1];
}

async function addressOf(name: string): Promise<string> {
  const listed: unknown = await ember.json(["vm", "inspect", name]);
  const found = /"guestIp":"([0-9.]+)"/.exec(JSON.stringify(listed))?.[1];
  if (found === undefined) throw new Error(`'${name}' has no address`);
  return found;
}

/** What `vm` makes of both names of another VM. */
async function bothNames(vm: string, name: string): Promise<(string | undefined)[]> {
  return [await lookUp(vm, name), await lookUp(vm, `${name}.ember.internal`)];
}

/** Whether a VM's hosts file has the name: asking for one that it has not would wait for a name server. */
async function knows(vm: string, name: string): Promise<boolean> {
  const lines = (await ember.ok(["exec", vm, "--", "cat", "/etc/hosts"])).split("\n");
  return lines.some((line) => line.replace(/#.*/, "").split(/\s+/).slice(1).includes(name));
}

/** Which of VMs `a` and `b` know either name of another. */
async function whoKnows(name: string): Promise<string[]> {
  const known: string[] = [];
  for (const vm of ["a", "b"]) {
    if ((await knows(vm, name)) || (await knows(vm, `${name}.ember.internal`))) known.push(vm);
  }
  return known;
}

test.skipIf(skipped)(
  "a VM finds those that were there before it and those that came later, and they answer",
  async () => {
    const [a, b] = [await addressOf("a"), await addressOf("b")];
    expect(await bothNames("b", "a")).toEqual([a, a]);
    expect(await bothNames("a", "b")).toEqual([b, b]);
    expect(await bothNames("a", "a")).toEqual([a, a]);
    expect(await lookUp("a", "localhost")).toBe("127.0.0.1");
    for (const [from, to] of [
      ["a", "b.ember.internal"],
      ["b", "a"],
    ] as const) {
      expect(await ember.ok(["exec", from, "--", "ping", "-c", "1", "-W", "5", to])).toContain(
        "1 packets received",
      );
    }
  },
  120_000,
);

test.skipIf(skipped)(
  "the names hold after a restart of either",
  async () => {
    await ember.ok(["vm", "restart", "a"]);
    expect(await lookUp("a", "b")).toBe(await addressOf("b"));
    expect(await lookUp("b", "a")).toBe(await addressOf("a"));
    await ember.ok(["vm", "restart", "b"]);
    expect(await lookUp("a", "b.ember.internal")).toBe(await addressOf("b"));
    expect(await lookUp("b", "a.ember.internal")).toBe(await addressOf("a"));
  },
  120_000,
);

test.skipIf(skipped)(
  "a fork has a name of its own, and what it was forked from keeps its own",
  async () => {
    await ember.ok(["vm", "stop", "--force", "b"]);
    await ember.ok(["vm", "fork", "b", "copy"]);
    await ember.ok(["vm", "start", "b"]);
    const [b, copy] = [await addressOf("b"), await addressOf("copy")];
    expect(copy).not.toBe(b);
    for (const vm of ["a", "b", "copy"]) {
      expect([vm, await lookUp(vm, "copy"), await lookUp(vm, "b")]).toEqual([vm, copy, b]);
    }
    await ember.ok(["vm", "delete", "--force", "copy"]);
  },
  180_000,
);

test.skipIf(skipped)(
  "the name of a deleted VM is gone; what a user wrote into /etc/hosts stays",
  async () => {
    await make("late");
    expect(await lookUp("a", "late")).toBe(await addressOf("late"));
    expect(await whoKnows("late")).toEqual(["a", "b"]);
    await ember.ok(["exec", "a", "--", "sh", "-c", "echo 192.0.2.77 mine >> /etc/hosts"]);
    await ember.ok(["vm", "delete", "--force", "late"]);
    expect(await whoKnows("late")).toEqual([]);
    expect(await lookUp("a", "mine")).toBe("192.0.2.77");
    expect(await lookUp("a", "b")).toBe(await addressOf("b"));
  },
  120_000,
);

test.skipIf(skipped)(
  "a VM without a network is in nobody's list, and one that was never started is in all",
  async () => {
    await make("alone", "--network", "none", "--no-start");
    await make("asleep", "--no-start");
    expect(await whoKnows("alone")).toEqual([]);
    expect(await bothNames("a", "asleep")).toEqual(Array(2).fill(await addressOf("asleep")));
    await ember.ok(["vm", "delete", "alone"]);
    await ember.ok(["vm", "delete", "asleep"]);
  },
  120_000,
);

test.skipIf(skipped)(
  "the image's own file below has none of it",
  async () => {
    const script = "cat /etc/hosts; busybox umount /etc/hosts && echo --- && cat /etc/hosts";
    const [shown, image] = (await ember.ok(["exec", "a", "--", "sh", "-c", script])).split("---");
    expect(shown).toContain("b.ember.internal");
    expect(image?.trim()).toBe("");
  },
  60_000,
);
