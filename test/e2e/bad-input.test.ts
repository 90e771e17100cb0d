import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandResult, TestInstallation } from "../support/ember.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

let ember: TestInstallation;
let work: string;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "ember-bad-"));
  ember = new TestInstallation();
  await ember.ok(["init"]);
  writeBusyboxTar(join(work, "rootfs.tar"));
  await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
}, 120_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

/** An error is one line that says what happened, a hint where there is a remedy, and nothing on standard output. */
async function expectRefusal(
  args: readonly string[],
  status: number,
  message: string | RegExp,
): Promise<CommandResult> {
  const result = await ember.run(args);
  expect({ args, status: result.status, stdout: result.stdout }).toEqual({ args, status, stdout: "" });
  expect(result.stderr).toMatch(/^error: \S/m);
  expect(result.stderr).toMatch(message);
  expect(result.stderr).not.toContain("    at "); // no stack trace
  return result;
}

describe("the command line", () => {
  test("names the flag that is unknown and the closest known one", async () => {
    const result = await expectRefusal(
      ["vm", "create", "web", "--image", "busybox", "--memroy", "1G"],
      2,
      /--memroy/,
    );
    expect(result.stderr).toContain("--memory");
  });

  test("refuses unknown commands, missing operands and missing values", async () => {
    await expectRefusal(["vmm"], 2, /vmm/);
    await expectRefusal(["vm", "craete", "web"], 2, /create/);
    await expectRefusal(["vm", "create"], 2, /error/);
    await expectRefusal(["vm", "create", "web"], 2, /--image/);
    await expectRefusal(["vm", "start"], 2, /error/);
    await expectRefusal(["exec", "web"], 2, /error/);
  });

  test("refuses names that are none", async () => {
    for (const name of ["../x", "a b", "A", "x/y", "a".repeat(200), "", ".", "wéb", "-x"]) {
      const args = ["vm", "create", "--image", "busybox", "--no-start", "--", name];
      const result = await ember.run(
        name.startsWith("-") ? args : ["vm", "create", name, "--image", "busybox", "--no-start"],
      );
      expect({ name, status: result.status }).toEqual({ name, status: 2 });
    }
    expect(await ember.json(["vm", "list"])).toEqual([]);
  });

  test("refuses sizes without a unit, and those that cannot be", async () => {
    await expectRefusal(["vm", "create", "web", "--image", "busybox", "--memory", "12"], 2, /12/);
    await expectRefusal(["vm", "create", "web", "--image", "busybox", "--memory", "8P"], 2, /8P|memory/);
    await expectRefusal(["vm", "create", "web", "--image", "busybox", "--memory", "-1G"], 2, /error/);
    await expectRefusal(
      ["vm", "create", "web", "--image", "busybox", "--disk-size", "1M"],
      2,
      /smaller than its source/,
    );
    await expectRefusal(["vm", "create", "web", "--image", "busybox", "--cpus", "0"], 2, /error/);
    await expectRefusal(["vm", "create", "web", "--image", "busybox", "--cpus", "4000"], 2, /CPUs/);
    await expectRefusal(["vm", "create", "web", "--image", "busybox", "-p", "0:80"], 2, /error/);
    await expectRefusal(
      ["vm", "create", "web", "--image", "busybox", "--network", "8.8.8.0/24"],
      2,
      /private/,
    );
  });

  test("gives errors as JSON when asked", async () => {
    const result = await ember.run(["vm", "inspect", "nobody", "--format", "json"]);
    expect(result.status).toBe(3);
    expect(JSON.parse(result.stderr)).toEqual({
      error: { code: "vm-not-found", message: "no VM is named 'nobody'", hint: expect.any(String) },
    });
  });
});

test("the folder that ember is called in neither configures it nor runs code in it", async () => {
  const folder = join(work, "hostile");
  mkdirSync(folder);
  writeFileSync(join(folder, ".env"), "EMBER_FAULT=kill:vm.create:record:before\n");
  writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
  writeFileSync(join(folder, "preload.ts"), 'console.log("preloaded")\n');
  const create = ["vm", "create", "elsewhere", "--image", "busybox", "--no-start", "--quiet"];
  expect(await ember.run(create, { cwd: folder })).toMatchObject({ status: 0, stdout: "elsewhere\n" });
  await ember.ok(["vm", "delete", "elsewhere"], { cwd: folder });
});

describe("things that are not there", () => {
  test("have status 3", async () => {
    await expectRefusal(["vm", "start", "nobody"], 3, /nobody/);
    await expectRefusal(["vm", "delete", "nobody"], 3, /nobody/);
    await expectRefusal(["exec", "nobody", "--", "true"], 3, /nobody/);
    await expectRefusal(["vm", "fork", "nobody", "copy"], 3, /nobody/);
    await expectRefusal(["image", "inspect", "nothing"], 3, /nothing/);
    await expectRefusal(["kernel", "delete", "none"], 3, /none/);
    await expectRefusal(["image", "import", join(work, "no.tar"), "--name", "x"], 3, /no\.tar/);
  });

  test("and a folder that was not initialised has status 4 and names the remedy", async () => {
    const result = await ember.run([
      "--state-dir",
      join(work, "empty"),
      "vm",
      "create",
      "web",
      "--image",
      "x",
    ]);
    expect(result.status).toBe(4);
    expect(result.stderr).toContain("ember init");
  });

  test("init a second time is refused and changes nothing", async () => {
    const before = await ember.json(["info"]);
    await expectRefusal(["init", "--storage", "qcow2"], 4, /already/);
    expect(await ember.json(["info"])).toEqual(before);
  });
});

describe("broken files", () => {
  test("a kernel that is none is refused by what it is", async () => {
    const before = await ember.json(["kernel", "list"]);
    writeFileSync(join(work, "text"), "hello\n".repeat(1000));
    await expectRefusal(["kernel", "import", join(work, "text"), "--name", "bad"], 1, /text/);
    writeFileSync(join(work, "empty-file"), "");
    await expectRefusal(["kernel", "import", join(work, "empty-file"), "--name", "bad"], 1, /error/);
    expect(await ember.json(["kernel", "list"])).toEqual(before);
  });

  test("an archive that is none, is cut short or leads out of its root leaves no image", async () => {
    writeFileSync(join(work, "noise.tar"), Buffer.alloc(100_000, 0x5a));
    await expectRefusal(["image", "import", join(work, "noise.tar"), "--name", "bad"], 1, /error/);
    const whole = await Bun.file(join(work, "rootfs.tar")).bytes();
    writeFileSync(join(work, "cut.tar"), whole.subarray(0, 700_000));
    await expectRefusal(["image", "import", join(work, "cut.tar"), "--name", "bad"], 1, /error/);
    symlinkSync("/etc", join(work, "out"));
    for (const name of ["../escape", "a/../../escape"]) {
      Bun.spawnSync([
        "tar",
        "-cPf",
        join(work, "evil.tar"),
        "--transform",
        `s,.*,${name},`,
        join(work, "text"),
      ]);
      await expectRefusal(["image", "import", join(work, "evil.tar"), "--name", "bad"], 1, /\.\./);
    }
    expect(await ember.json(["image", "list"])).toMatchObject([{ name: "busybox" }]);
    expect(await ember.json(["reconcile"])).toEqual({ finished: [], undone: [], stopped: [], removed: [] });
  });

  test("a YAML file with an unknown key names it and the closest known one", async () => {
    writeFileSync(join(work, "vm.yaml"), "image: busybox\nmemroy: 512M\n");
    const result = await expectRefusal(
      ["vm", "create", "web", "--vm-config", join(work, "vm.yaml")],
      2,
      /memroy/,
    );
    expect(result.stderr).toContain("memory");
  });

  test("a database that is none is named, with a remedy", async () => {
    const folder = join(work, "damaged");
    Bun.spawnSync(["mkdir", folder]);
    writeFileSync(
      join(folder, "ember.db"),
      "this is not a database, it is a text of some length\n".repeat(200),
    );
    const result = await ember.run(["--state-dir", folder, "vm", "list"]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("hint:");
  });
});

describe("two at once", () => {
  test("of two creates of one name, one succeeds and the other is told", async () => {
    const args = ["vm", "create", "twin", "--image", "busybox", "--no-start"];
    const results = await Promise.all([ember.run(args), ember.run(args), ember.run(args)]);
    expect(results.map((result) => result.status).sort()).toEqual([0, 4, 4]);
    await ember.ok(["vm", "delete", "twin"]);
  });

  test("creates of different names all succeed, each with an address of its own", async () => {
    const names = Array.from({ length: 6 }, (_, index) => `many-${index}`);
    await Promise.all(
      names.map((name) => ember.ok(["vm", "create", name, "--image", "busybox", "--no-start"])),
    );
    const list = (await ember.json(["vm", "list"])) as { network: { guestIp: string; mac: string } }[];
    expect(new Set(list.map((vm) => vm.network.guestIp)).size).toBe(6);
    expect(new Set(list.map((vm) => vm.network.mac)).size).toBe(6);
    await ember.ok(["vm", "delete", ...names]);
  });

  test("two commands on one VM queue instead of failing", async () => {
    await ember.ok(["vm", "create", "queue", "--image", "busybox", "--no-start"]);
    const results = await Promise.all([
      ember.run(["vm", "update", "queue", "--cpus", "2"]),
      ember.run(["vm", "update", "queue", "--memory", "300M"]),
    ]);
    expect(results.map((result) => result.status)).toEqual([0, 0]);
    expect(await ember.json(["vm", "inspect", "queue"])).toMatchObject({
      cpus: 2,
      memoryBytes: 300 * 2 ** 20,
    });
    await ember.ok(["vm", "delete", "queue"]);
  });
});
