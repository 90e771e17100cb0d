import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sampleFlow } from "../../testing/network-samples.ts";
import { runCli } from "../../testing/run-cli.ts";

describe("net audit", () => {
  test("is a table of 80 columns, also for the longest names and rules", async () => {
    const flows = [
      sampleFlow({
        name: `${"a".repeat(60)}.example`,
        rule: `--allow-host *.${"b".repeat(60)}.example`,
        count: 123_456,
      }),
      sampleFlow({
        name: "",
        address: "2001:db8:1111:2222:3333:4444:5555:6666",
        port: 0,
        protocol: "icmp",
        rule: "",
      }),
    ];
    const audit = async (vm: string) => ({ vm, flows, learned: { default: "refuse", rules: [] } as const });
    const { stdout } = await runCli(["net", "audit", "web"], {
      terminal: true,
      environment: { NO_COLOR: "1" },
      network: { audit },
    });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]?.split(/ +/)).toEqual([
      "NAME",
      "ADDRESS",
      "PORT",
      "PROTO",
      "VERDICT",
      "RULE",
      "COUNT",
      "LAST",
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(lines).toHaveLength(3);
  });

  test("a name with control characters is harmless on the terminal", async () => {
    const flows = [sampleFlow({ name: "\u001b[2Jevil.example" })];
    const audit = async (vm: string) => ({ vm, flows, learned: { default: "refuse", rules: [] } as const });
    expect((await runCli(["net", "audit", "web"], { network: { audit } })).stdout).not.toContain("\u001b");
  });

  test("says so when there is nothing to show", async () => {
    const audit = async (vm: string) => ({
      vm,
      flows: [],
      learned: { default: "refuse", rules: [] } as const,
    });
    expect(await runCli(["net", "audit", "web"], { network: { audit } })).toMatchObject({
      status: 0,
      stdout: "",
      stderr: "web has reached nothing yet, and was refused nothing\n",
    });
  });

  test("--learn prints the policy as flags and as a file that is taken as the same", async () => {
    const { stdout } = await runCli(["net", "audit", "web", "--learn"]);
    const [flags = "", yaml = ""] = stdout.split("\n\n");
    expect(flags.replaceAll(" \\\n ", "")).toBe(
      "ember vm update web --allow-cidr 10.0.0.5/32:5432/tcp --allow-host api.github.com:443",
    );
    const folder = mkdtempSync(join(tmpdir(), "ember-learn-"));
    try {
      writeFileSync(join(folder, "vm.yaml"), `name: web\nimage: x\n${yaml}`);
      const made = await runCli(["vm", "create", "--vm-config", join(folder, "vm.yaml")]);
      expect(made.calls[0]?.args[0]).toMatchObject({
        egress: "none",
        allowHosts: ["api.github.com:443"],
        allowCidrs: ["10.0.0.5/32:5432/tcp"],
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("--learn as JSON has rules and flags", async () => {
    const { stdout } = await runCli(["net", "audit", "web", "--learn", "--format", "json"]);
    expect(JSON.parse(stdout)).toMatchObject({
      vm: "web",
      policy: { default: "refuse" },
      flags: ["--allow-cidr 10.0.0.5/32:5432/tcp", "--allow-host api.github.com:443"],
    });
  });
});

describe("net status", () => {
  test("shows the process and what it counts", async () => {
    const { stdout } = await runCli(["net", "status"]);
    expect(stdout).toContain("process  pid 77, version 0.1.0\n");
    expect(stdout).toMatch(/^web +up +12 +3 +0 +2 +2K\/1K$/m);
  });

  test("without a process says none", async () => {
    const status = async () => ({ driver: "tap", process: null, vms: [] });
    const { stdout } = await runCli(["net", "status"], { network: { status } });
    expect(stdout).toBe("driver   tap\nprocess  none\n");
  });
});

describe("net resolver", () => {
  test("prints lines for /etc/hosts where nobody answers", async () => {
    expect((await runCli(["net", "resolver"])).stdout).toBe("127.0.0.1 web.ember.internal # ember\n");
  });

  test("with a port prints what sends questions there, and says where that goes", async () => {
    const { stdout, stderr } = await runCli(["net", "resolver", "--port", "15353"]);
    expect(stdout).toBe("[Resolve]\nDNS=127.0.0.1:15353\nDomains=~ember.internal\n");
    expect(stderr).toContain("/etc/systemd/resolved.conf.d/ember.conf");
    const off = await runCli(["net", "resolver", "--off"]);
    expect(off).toMatchObject({ status: 0, stdout: "" });
    expect((await runCli(["net", "resolver", "--off", "--port", "1"])).status).toBe(2);
  });
});

test("secrets are read when the VM is made, and are in no output", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ember-secret-"));
  try {
    writeFileSync(join(folder, "token"), "from-a-file\n");
    const line = `vm create web --image x --secret A=@token --secret B=env:B_TOKEN --secret-host a.example --secret-host B=b.example`;
    const result = await runCli(line.split(" "), {
      cwd: folder,
      environment: { B_TOKEN: "from-a-variable" },
    });
    expect(result.calls[0]?.args[0]).toMatchObject({
      secrets: [
        { name: "A", value: "from-a-file", hosts: ["a.example"] },
        { name: "B", value: "from-a-variable", hosts: ["a.example", "b.example"] },
      ],
    });
    expect(result.stdout + result.stderr).not.toContain("from-a");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
