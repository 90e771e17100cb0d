import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand, sharedCache, TestInstallation } from "../support/ember.ts";
import { writeLayout } from "../support/layouts.ts";
import { TestRegistry } from "../support/registry.ts";

// A real Debian with systemd, made from packages by `image bootstrap`, pushed to a registry and pulled from there; and
// OpenSSH's own tools against its agent.
const ember = new TestInstallation();
let registry: TestRegistry | undefined;
let work: string;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "ember-systemd-"));
  await ember.ok(["init"]);
  await ember.ok(["image", "bootstrap", "debian"], { timeoutMs: 900_000 });
  const reference = await pushAsImage(bootstrapTar());
  await ember.ok(["image", "pull", reference, "--name", "from-registry", "--no-tls-verify"]);
  await ember.ok(["vm", "create", "deb", "--image", "from-registry", "--memory", "512M"], {
    timeoutMs: 600_000,
  });
}, 1_200_000);

/** The root file system that `image bootstrap` keeps for the next time. */
function bootstrapTar(): Buffer {
  const folder = join(sharedCache, "bootstrap");
  const name = readdirSync(folder).find((file) => file.endsWith(".tar"));
  if (name === undefined) throw new Error(`no tar in ${folder}: ${readdirSync(folder).join(", ")}`);
  return readFileSync(join(folder, name));
}

/** Makes an OCI image of one layer and pushes it to a registry; returns its reference there. */
async function pushAsImage(tar: Buffer): Promise<string> {
  const started = await TestRegistry.start();
  registry = started;
  const layout = join(work, "layout");
  writeLayout(layout, { layers: [{ tar }], config: { Cmd: ["/sbin/init"] } });
  started.push(layout, "test/systemd");
  return `${started.host}/test/systemd:latest`;
}

afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  await ember[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

const exec = (...command: string[]): Promise<string> => ember.ok(["exec", "deb", "--", ...command]);

describe("a Debian with systemd", () => {
  test("runs systemd as process 1 and comes up without failed units", async () => {
    const settled =
      "until systemctl is-system-running 2>/dev/null | grep -Eq 'running|degraded'; do sleep 0.5; done";
    await ember.ok(["exec", "deb", "--timeout", "180s", "--", "sh", "-c", settled]);
    expect(await exec("cat", "/proc/1/comm")).toBe("systemd");
    expect(await exec("systemctl", "list-units", "--failed", "--no-legend", "--plain")).toBe("");
  }, 240_000);

  test("keeps its host name, address and resolver", async () => {
    const details = (await ember.json(["vm", "inspect", "deb"])) as {
      network: { guestIp: string; hostIp: string };
    };
    expect(await exec("hostname")).toBe("deb");
    expect(await exec("cat", "/proc/net/fib_trie")).toContain(details.network.guestIp);
    expect(await exec("cat", "/etc/resolv.conf")).toContain("nameserver");
  });

  test("is entered by its users", async () => {
    await exec("useradd", "--create-home", "--shell", "/bin/bash", "kim");
    expect(await ember.ok(["exec", "deb", "--user", "kim", "--", "id", "-un"])).toBe("kim");
  });

  test("gives a terminal to those who ask for one", async () => {
    const command = `${JSON.stringify(process.env["EMBER_EXECUTABLE"] ?? join(import.meta.dir, "../../dist/ember"))} exec -it deb -- sh -c 'tty; stty size'`;
    const result = await runCommand("script", ["-qec", `stty rows 33 cols 101; ${command}`, "/dev/null"], {
      env: ember.environment,
    });
    expect(result.stdout).toContain("/dev/pts/");
    expect(result.stdout).toContain("33 101");
  });
});

describe("OpenSSH, through ssh-config", () => {
  let config: string;
  const options = (): readonly string[] => ["-F", config, "-o", "BatchMode=yes"];

  beforeAll(async () => {
    config = join(work, "ssh_config");
    writeFileSync(config, await ember.ok(["ssh-config"]));
  });

  const tool = (name: string, ...args: string[]): ReturnType<typeof runCommand> =>
    runCommand(name, args, { env: ember.environment });

  test("logs in with the host key pinned", async () => {
    const result = await tool("ssh", ...options(), "deb", "echo $USER; exit 3");
    expect(result).toMatchObject({ status: 3, stdout: "root\n", stderr: "" });
  });

  test("copies with scp, both ways", async () => {
    const file = join(work, "data");
    writeFileSync(file, Buffer.alloc(2_000_000, "scp "));
    expect((await tool("scp", "-q", ...options(), file, "deb:/root/data")).status).toBe(0);
    expect((await tool("scp", "-q", ...options(), "deb:/root/data", join(work, "data-back"))).status).toBe(0);
    expect(readFileSync(join(work, "data-back")).equals(readFileSync(file))).toBe(true);
  });

  test("lists files with sftp", async () => {
    const result = await runCommand("sftp", ["-q", ...options(), "-b", "-", "deb"], {
      env: ember.environment,
      input: "ls /etc/debian_version\n",
    });
    expect(result.stdout).toContain("/etc/debian_version");
  });

  test("forwards ports", async () => {
    const socket = ["systemd-socket-activate", "--accept", "--inetd", "--listen=127.0.0.1:4000"];
    await exec("systemd-run", "--unit=greeter", ...socket, "/bin/echo", "hello");
    let greeting = "";
    for (let attempt = 0; attempt < 50 && greeting === ""; attempt++)
      greeting = (await tool("ssh", ...options(), "-W", "127.0.0.1:4000", "deb")).stdout;
    expect(greeting).toBe("hello\n");
  });
});

describe("stop and fork of a systemd guest", () => {
  test("shuts down in order, and the fork has a machine id of its own", async () => {
    const id = await exec("cat", "/etc/machine-id");
    await ember.ok(["vm", "stop", "deb", "--timeout", "120s"], { timeoutMs: 180_000 });
    expect(await ember.ok(["vm", "logs", "deb", "--console"])).toMatch(/Power.?(Off|down)|power down/i);
    await ember.ok(["vm", "fork", "deb", "deb2"], { timeoutMs: 300_000 });
    const forkId = await ember.ok(["exec", "deb2", "--", "cat", "/etc/machine-id"]);
    expect(forkId).toMatch(/^[0-9a-f]{32}$/);
    expect(forkId).not.toBe(id);
    const disk = ((await ember.json(["vm", "inspect", "deb"])) as { diskPath: string }).diskPath;
    expect(existsSync(disk)).toBe(true);
    const check = await runCommand("e2fsck", ["-fn", disk], { env: ember.environment });
    expect(check.status).toBe(0);
  }, 600_000);
});
