import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../testing/run-cli.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-config-"));
  mkdirSync(join(folder, "state"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** What `vm create ARGV...` asks the library for, with the files in the test's folder. */
async function created(...argv: string[]): Promise<unknown> {
  const result = await runCli(["vm", "create", ...argv], { stateDir: join(folder, "state"), cwd: folder });
  expect(result).toMatchObject({ status: 0, stderr: "" });
  return result.calls[0]?.args[0];
}

async function refused(content: string): Promise<{ status: number; stderr: string }> {
  write("vm.yaml", content);
  const argv = ["vm", "create", "--vm-config", "vm.yaml"];
  return await runCli(argv, { stateDir: join(folder, "state"), cwd: folder });
}

const whole = `
name: web
image: docker.io/library/nginx:latest
cpus: 2
memory: 512M
disk_size: 4G
kernel: ./vmlinux
boot_args: "quiet"
network:
  subnet: 10.100.0.0/16
  ports: ["8080:80"]
env: { KEY: value, COUNT: 3, DEBUG: true }
ssh:
  user: app
`;

describe("a --vm-config file", () => {
  test("says everything that flags can say", async () => {
    write("vm.yaml", whole);
    expect(await created("--vm-config", "vm.yaml")).toMatchObject({
      name: "web",
      image: "docker.io/library/nginx:latest",
      cpus: 2,
      memoryBytes: 512 * 1024 ** 2,
      diskBytes: 4 * 1024 ** 3,
      kernel: join(folder, "vmlinux"),
      bootArguments: "quiet",
      network: "10.100.0.0/16",
      ports: [{ protocol: "tcp", hostAddress: "127.0.0.1", hostPort: 8080, guestPort: 80 }],
      environment: { KEY: "value", COUNT: "3", DEBUG: "true" },
      user: "app",
    });
  });

  test("never wins over a flag, and wins over the global configuration", async () => {
    write("vm.yaml", whole);
    write(
      "state/config.yaml",
      "cpus: 8\nmemory: 8G\ndisk_size: 80G\nuser_is_not_here: 1\n".replace(/user.*\n/, ""),
    );
    expect(await created("other", "--memory", "1G", "--vm-config", "vm.yaml")).toMatchObject({
      name: "other",
      memoryBytes: 1024 ** 3,
      cpus: 2,
      diskBytes: 4 * 1024 ** 3,
    });
  });

  test("the environment is merged variable by variable; ports are taken whole", async () => {
    write("state/config.yaml", "env: { A: global, B: global, C: global }\nnetwork: { ports: ['1:1'] }\n");
    write("vm.yaml", "image: x\nenv: { B: file, C: file }\nnetwork: { ports: ['2:2'] }\n");
    expect(await created("web", "--vm-config", "vm.yaml", "-e", "C=flag", "-p", "3:3")).toMatchObject({
      environment: { A: "global", B: "file", C: "flag" },
      ports: [{ hostPort: 3 }],
    });
    expect(await created("web", "--vm-config", "vm.yaml")).toMatchObject({ ports: [{ hostPort: 2 }] });
  });

  test("may be empty, and may say that there is no network", async () => {
    write("empty.yaml", "");
    expect(await created("web", "--image", "x", "--vm-config", "empty.yaml")).toMatchObject({ name: "web" });
    write("none.yaml", "network: none\n");
    expect(await created("web", "--image", "x", "--vm-config", "none.yaml")).toMatchObject({
      network: "none",
    });
  });

  test("says what the VM may reach, and where its secrets are, relative to the file", async () => {
    write("token", "t0ken\n");
    write(
      "vm.yaml",
      `name: web
image: x
network:
  ports: ["8000-8001:80-81"]
  egress: none
  allow_hosts: ["*.npmjs.org", "api.github.com:443"]
  deny_hosts: [x.npmjs.org]
  allow_cidrs: ["10.0.0.0/8:5432"]
  deny_cidrs: ["10.9.0.0/16"]
  secrets:
    TOKEN: { from: "@token", hosts: [api.github.com] }
`,
    );
    const options = await created("--vm-config", "vm.yaml");
    expect(options).toMatchObject({
      egress: "none",
      allowHosts: ["*.npmjs.org", "api.github.com:443"],
      denyHosts: ["x.npmjs.org"],
      allowCidrs: ["10.0.0.0/8:5432"],
      denyCidrs: ["10.9.0.0/16"],
      secrets: [{ name: "TOKEN", value: "t0ken", hosts: ["api.github.com"] }],
    });
    expect(options).toMatchObject({ ports: [{ hostPort: 8000 }, { hostPort: 8001, guestPort: 81 }] });
  });

  test("keeps its rules where a flag says others of another kind", async () => {
    write("vm.yaml", "name: web\nimage: x\nnetwork: { allow_hosts: [a.example] }\n");
    const options = await created("--vm-config", "vm.yaml", "--deny-host", "b.example");
    expect(options).toMatchObject({ allowHosts: ["a.example"], denyHosts: ["b.example"] });
  });

  const faults: readonly (readonly [content: string, message: string, hint: string])[] = [
    ["memry: 1G", "unknown key 'memry'", "did you mean 'memory'?"],
    ["network: { port: [] }", "unknown key 'network.port'", "did you mean 'network.ports'?"],
    ["ssh: { keys: x }", "unknown key 'ssh.keys'", "did you mean 'ssh.key'?"],
    ["zzz: 1", "unknown key 'zzz'", "known keys: name, image"],
    ["memory: 512", "'memory' must be text", ""],
    ["memory: '512'", "'memory' the value '512' is not a size", ""],
    ["cpus: two", "'cpus' must be a whole number", ""],
    ["cpus: 0", "'cpus' must be a whole number from 1", ""],
    ["env: { A: 1.10 }", "'env.A' must be text: put it in quotes", ""],
    ["env: { A: null }", "'env.A' must be text", ""],
    ["env: { 'A=B': x }", "is not a variable's name", ""],
    ["network: bridge", "'network' must be default, none", ""],
    ["network: { ports: ['80'] }", "'network.ports.0' the value '80' is not a port mapping", ""],
    ["network: { ports: '80:80' }", "'network.ports' must be a list", ""],
    [
      "network: { allow_host: [] }",
      "unknown key 'network.allow_host'",
      "did you mean 'network.allow_hosts'?",
    ],
    ["network: { allow_hosts: a.example }", "'network.allow_hosts' must be a list", ""],
    ["network: { allow_hosts: ['10.0.0.1'] }", "can be read as the address 10.0.0.1", ""],
    ["network: { deny_cidrs: ['10.1.2.3/8'] }", "can be read as the network 10.0.0.0/8", ""],
    ["network: { secrets: { T: hunter2 } }", "'network.secrets.T' must be a mapping", "from, hosts"],
    ["network: { secrets: { T: { form: x } } }", "network.secrets.T", ""],
    ["network: { secrets: { T: { from: hunter2, hosts: [a.example] } } }", "holds its value", "env:VARIABLE"],
    ["network: { secrets: { 'A B': { from: '@t', hosts: [a.example] } } }", "is not a variable's name", ""],
    ["ssh: root", "'ssh' must be a mapping", "user, key"],
    ["name: ../x", "is not a VM name", ""],
    ["[1, 2]", "it must be a mapping", "image: debian"],
    ["just text", "it must be a mapping", ""],
    ["cpus: 1\ncpus: 2", "line 2, column 1: Map keys must be unique", ""],
    ["a: [1", "line 1", ""],
    [
      "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]",
      "too often",
      "",
    ],
    ['boot_args: "a\\nb"', "one line", ""],
  ];
  test.each(faults)("%j is refused", async (content, message, hint) => {
    const { status, stderr } = await refused(content);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).toContain(hint);
    expect(stderr).toContain(join(folder, "vm.yaml"));
  });

  test("that is not there, a folder or too large is told", async () => {
    const argv = ["vm", "create", "web", "--image", "x", "--vm-config"];
    expect(await runCli([...argv, join(folder, "nope.yaml")])).toMatchObject({ status: 3 });
    expect((await runCli([...argv, folder])).stderr).toContain("not a file");
    write("large.yaml", `# ${"x".repeat(1024 * 1024)}`);
    expect((await runCli([...argv, join(folder, "large.yaml")])).stderr).toContain("at most 1M");
  });
});

describe("config.yaml in the state folder", () => {
  test("holds for run as well, and may not name VMs", async () => {
    write("state/config.yaml", "memory: 2G\n");
    const { calls } = await runCli(["run", "nginx"], { stateDir: join(folder, "state") });
    expect(calls.find(({ method }) => method === "vms.create")?.args[0]).toMatchObject({
      memoryBytes: 2 * 1024 ** 3,
    });
    write("state/config.yaml", "name: web\n");
    const named = await runCli(["vm", "create", "x", "--image", "y"], { stateDir: join(folder, "state") });
    expect(named).toMatchObject({ status: 2 });
    expect(named.stderr).toContain("unknown key 'name'");
  });
});

describe("ssh.key", () => {
  const publicLine = `ssh-ed25519 ${"A".repeat(68)} me@here`;
  const withKey = (key: string): string => write("vm.yaml", `image: x\nname: web\nssh: { key: ${key} }\n`);

  test("authorises the key's .pub, relative to the file", async () => {
    write("id", "PRIVATE");
    write("id.pub", `${publicLine}\n`);
    for (const key of ["id", "./id", join(folder, "id"), "id.pub"]) {
      withKey(key);
      expect(await created("--vm-config", "vm.yaml")).toMatchObject({ authorizedKeys: [publicLine] });
    }
  });

  test("authorises the public half of an OpenSSH key without .pub", async () => {
    const key = openSshKey();
    write("id", key.privateKey);
    withKey("id");
    expect(await created("--vm-config", "vm.yaml")).toMatchObject({ authorizedKeys: [key.publicKey] });
  });

  test("that is missing or unreadable says how to put that right", async () => {
    const argv = ["vm", "create", "--vm-config", "vm.yaml"];
    withKey("~/nope");
    const missing = await runCli(argv, { cwd: folder });
    expect(missing).toMatchObject({ status: 3 });
    expect(missing.stderr).toContain("/home/me/nope");
    write("id", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n");
    withKey("id");
    expect((await runCli(argv, { cwd: folder })).stderr).toContain("ssh-keygen -y");
    write("id.pub", "rubbish");
    expect((await runCli(argv, { cwd: folder })).stderr).toContain("holds no public key");
  });
});

describe("user-data", () => {
  const argv = ["web", "--image", "x", "--user-data"];

  test("is a file's content, from the flag or relative to the file with the settings", async () => {
    write("cloud.yaml", "#cloud-config\n{}\n");
    write("script", "#!/bin/sh\n");
    write("vm.yaml", "image: x\nname: web\nuser_data: ./cloud.yaml\n");
    expect(await created("--vm-config", "vm.yaml")).toMatchObject({ userData: "#cloud-config\n{}\n" });
    expect(await created(...argv, "script")).toMatchObject({ userData: "#!/bin/sh\n" });
    expect(await created("--vm-config", "vm.yaml", "--user-data", "script")).toMatchObject({
      userData: "#!/bin/sh\n",
    });
    expect(await created("web", "--image", "x")).not.toHaveProperty("userData");
  });

  test("that is not there is told", async () => {
    const result = await runCli(["vm", "create", ...argv, "none"], { cwd: folder });
    expect(result).toMatchObject({ status: 3, stderr: expect.stringContaining("user-data") });
  });
});

/** A key in OpenSSH's format whose private part is a stub: nobody may look at it. */
function openSshKey(): { privateKey: string; publicKey: string } {
  const text = (value: string | Buffer): Buffer => {
    const bytes = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const { publicKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const blob = Buffer.concat([text("ssh-ed25519"), text(raw)]);
  const one = Buffer.from([0, 0, 0, 1]);
  const parts = [
    Buffer.from("openssh-key-v1\0"),
    text("aes256-ctr"),
    text("bcrypt"),
    text("salt"),
    one,
    text(blob),
    text("?"),
  ];
  const body = Buffer.concat(parts)
    .toString("base64")
    .replace(/(.{70})/g, "$1\n");
  return {
    privateKey: `-----BEGIN OPENSSH PRIVATE KEY-----\n${body}\n-----END OPENSSH PRIVATE KEY-----\n`,
    publicKey: `ssh-ed25519 ${blob.toString("base64")}`,
  };
}
