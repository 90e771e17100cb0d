import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hypervisorsOf, TestInstallation } from "../support/ember.ts";
import { onPlatform } from "../support/platform.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// One small guest without init and sshd, in a state folder with spaces whose path is longer than a socket's may be.
let ember: TestInstallation;
let work: string;

beforeAll(async () => {
  ember = new TestInstallation({ folderName: `a state folder, with spaces ${"and a long name ".repeat(8)}` });
  expect(ember.stateDir.length).toBeGreaterThan(150);
  work = mkdtempSync(join(tmpdir(), "ember-work-"));
  writeBusyboxTar(join(work, "rootfs.tar"));
  await ember.ok(["init"]);
  await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
  await ember.ok(["vm", "create", "web", "--image", "busybox", "--memory", "256M", "-e", "COLOR=blue"]);
}, 300_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

const exec = (...command: string[]): Promise<string> => ember.ok(["exec", "web", "--", ...command]);

describe("a running VM", () => {
  test("is listed with its facts", async () => {
    expect(await ember.json(["vm", "list"])).toMatchObject([
      {
        name: "web",
        status: "running",
        image: "busybox",
        cpus: 1,
        memoryBytes: 256 * 2 ** 20,
        diskBytes: 8 * 2 ** 30,
        forkedFrom: null,
        hypervisor: onPlatform.hypervisor,
        network: { mode: "default", ports: [] },
      },
    ]);
  });

  test("is entered as root, with its environment, host name and the whole disk", async () => {
    expect(await exec("id", "-u")).toBe("0");
    expect(await exec("hostname")).toBe("web");
    expect(await exec("printenv", "COLOR").catch(() => exec("sh", "-c", "echo $COLOR"))).toBe("blue");
    const blocks = await exec("sh", "-c", "df -k / | tail -1");
    expect(Number(blocks.split(/\s+/)[1])).toBeGreaterThan(7_500_000);
  });

  test("has the host's time", async () => {
    const seconds = Number(await exec("date", "+%s"));
    expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(10);
  });

  test("passes exit statuses on exactly, 128 + n for a signal", async () => {
    for (const status of [0, 1, 7, 126, 255]) {
      expect((await ember.run(["exec", "web", "--", "sh", "-c", `exit ${status}`])).status).toBe(status);
    }
    expect((await ember.run(["exec", "web", "--", "sh", "-c", "kill -9 $$"])).status).toBe(137);
    expect((await ember.run(["exec", "web", "--", "no-such-command"])).status).toBe(127);
  });

  test("keeps standard output and error apart, and arguments as they are", async () => {
    const both = await ember.run(["exec", "web", "--", "sh", "-c", "echo out; echo err >&2"]);
    expect(both).toMatchObject({ stdout: "out\n", stderr: "err\n", status: 0 });
    expect(await exec("printf", "%s|", "a b", "$HOME", "*", "'", '"', "")).toBe(`a b|$HOME|*|'|"||`);
  });

  test("runs commands as another user and in another folder", async () => {
    expect(await ember.ok(["exec", "web", "--user", "kim", "--", "id"])).toContain(
      "uid=1000(kim) gid=1000(kim)",
    );
    expect(await ember.ok(["exec", "web", "--workdir", "/etc", "--", "pwd"])).toBe("/etc");
    expect(await ember.ok(["exec", "web", "-e", "A=1", "-e", "B=x y", "--", "sh", "-c", "echo $A $B"])).toBe(
      "1 x y",
    );
    expect((await ember.run(["exec", "web", "--user", "nobody-here", "--", "id"])).status).toBe(126);
  });

  test("takes standard input with -i, binary and to its end", async () => {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7919) & 255);
    const result = await ember.run(["exec", "web", "-i", "--", "sha256sum"], { input: bytes });
    const digest = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    expect(result.stdout).toBe(`${digest}  -\n`);
    // Without -i the command gets none, so that a loop over lines keeps its own.
    expect((await ember.run(["exec", "web", "--", "wc", "-c"], { input: "abc" })).stdout.trim()).toBe("0");
  });

  test("ends a command that takes longer than --timeout", async () => {
    const result = await ember.run(["exec", "web", "--timeout", "1s", "--", "sleep", "600"]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("error:");
    expect(await exec("sh", "-c", "ps | grep -c '[s]leep 600' || true")).toBe("0");
  });

  test("runs many commands at once", async () => {
    const results = await Promise.all(Array.from({ length: 8 }, (_, index) => exec("echo", `${index}`)));
    expect(results).toEqual(Array.from({ length: 8 }, (_, index) => `${index}`));
  });

  test("tells its numbers", async () => {
    const [stats] = (await ember.json(["vm", "stats"])) as {
      guest: { memoryTotalBytes: number; diskTotalBytes: number };
    }[];
    expect(stats?.guest.memoryTotalBytes).toBeGreaterThan(150 * 2 ** 20);
    expect(stats?.guest.diskTotalBytes).toBeGreaterThan(7 * 2 ** 30);
  });

  test("pauses and resumes", async () => {
    await ember.ok(["vm", "pause", "web"]);
    expect(await ember.json(["vm", "inspect", "web"])).toMatchObject({ status: "paused" });
    expect((await ember.run(["exec", "web", "--", "true"])).status).toBe(4);
    await ember.ok(["vm", "resume", "web"]);
    expect(await exec("echo", "back")).toBe("back");
  });

  test("shows its console, and no control characters of it", async () => {
    await exec("sh", "-c", "printf 'evil \\033]0;title\\007 end\\n' > /dev/console");
    const log = await ember.ok(["vm", "logs", "web", "--console"]);
    expect(log).toContain("ember-guest: ready");
    expect(log).not.toContain("\u001b");
  });

  test("is not deleted without --force", async () => {
    const refused = await ember.run(["vm", "delete", "web"]);
    expect(refused.status).toBe(4);
    expect(refused.stderr).toContain("hint:");
  });
});

describe("files", () => {
  test("are copied in and out with their content and mode", async () => {
    const file = join(work, "file with spaces");
    writeFileSync(file, Buffer.alloc(3_000_000, "ember "), { mode: 0o750 });
    await ember.ok(["cp", file, "web:/root/"]);
    await ember.ok(["cp", "web:/root/file with spaces", join(work, "back")]);
    expect(readFileSync(join(work, "back")).equals(readFileSync(file))).toBe(true);
    expect(statSync(join(work, "back")).mode & 0o777).toBe(0o750);
  });

  test("are copied as a tree", async () => {
    mkdirSync(join(work, "tree/inner"), { recursive: true });
    writeFileSync(join(work, "tree/inner/one"), "1");
    symlinkSync("inner/one", join(work, "tree/link"));
    await ember.ok(["cp", "-r", join(work, "tree"), "web:/root/tree"]);
    expect(await exec("cat", "/root/tree/link")).toBe("1");
    await ember.ok(["cp", "-r", "web:/root/tree", join(work, "tree-back")]);
    expect(readFileSync(join(work, "tree-back/inner/one"), "utf8")).toBe("1");
  });

  test("that are not there are named", async () => {
    const result = await ember.run(["cp", "web:/nowhere", join(work, "x")]);
    expect(result.status).toBe(3);
    expect(result.stderr).toContain("/nowhere");
  });
});

describe("stop, start and fork", () => {
  test("keep what was written; a fork has its own disk, keys and address", async () => {
    await exec("sh", "-c", "echo precious > /root/file");
    await ember.ok(["vm", "stop", "web"]);
    expect(hypervisorsOf(ember.stateDir)).toEqual([]);
    await ember.ok(["vm", "fork", "web", "web2"]);
    expect(await ember.ok(["exec", "web2", "--", "cat", "/root/file"])).toBe("precious");
    expect(await ember.ok(["exec", "web2", "--", "hostname"])).toBe("web2");
    await ember.ok(["exec", "web2", "--", "sh", "-c", "echo changed > /root/file"]);
    await ember.ok(["vm", "start", "web"]);
    expect(await exec("cat", "/root/file")).toBe("precious");
    const [source, fork] = (await ember.json(["vm", "list"])) as {
      name: string;
      forkedFrom: string | null;
      network: { guestIp: string; mac: string };
    }[];
    expect(fork).toMatchObject({ name: "web2", forkedFrom: "web" });
    expect(fork?.network.guestIp).not.toBe(source?.network.guestIp ?? "");
    expect(fork?.network.mac).not.toBe(source?.network.mac ?? "");
    await ember.ok(["vm", "delete", "--force", "web2"]);
  }, 300_000);

  test("a start of what runs, and a stop of what is stopped, succeed", async () => {
    await ember.ok(["vm", "start", "web"]);
    await ember.ok(["vm", "stop", "web"]);
    await ember.ok(["vm", "stop", "web"]);
    await ember.ok(["vm", "start", "web"]);
  }, 120_000);

  test("a guest that powers itself off is shown as stopped and starts again", async () => {
    await ember.run(["exec", "web", "--", "sh", "-c", "poweroff -f"]);
    await ember.ok(["vm", "wait", "web", "--for", "stopped", "--timeout", "60s"]);
    expect(await ember.json(["vm", "inspect", "web"])).toMatchObject({ status: "stopped", pid: null });
    await ember.ok(["vm", "start", "web"]);
    expect(await exec("echo", "again")).toBe("again");
  }, 120_000);

  test("a hypervisor that is killed is noticed, and the disk is whole", async () => {
    await exec("sh", "-c", "echo before > /root/plug; sync");
    for (const pid of hypervisorsOf(ember.stateDir)) process.kill(pid, "SIGKILL");
    await ember.ok(["vm", "wait", "web", "--for", "stopped", "--timeout", "10s"]);
    await ember.ok(["vm", "start", "web"]);
    expect(await exec("cat", "/root/plug")).toBe("before");
  }, 120_000);

  test("deleting leaves nothing", async () => {
    await ember.ok(["vm", "delete", "--force", "web"]);
    expect(await ember.json(["vm", "list"])).toEqual([]);
    expect(hypervisorsOf(ember.stateDir)).toEqual([]);
    expect(await ember.json(["reconcile"])).toEqual({ finished: [], undone: [], stopped: [], removed: [] });
  });
});
