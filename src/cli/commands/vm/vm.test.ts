import { describe, expect, test } from "bun:test";
import { EmberError } from "../../../errors/ember-error.ts";
import type { VmSummary } from "../../../types.ts";
import { runCli } from "../../testing/run-cli.ts";
import { sampleStats, sampleVm } from "../../testing/samples.ts";

describe("vm list", () => {
  test("is a table with the agreed columns", async () => {
    const { stdout } = await runCli(["vm", "list"]);
    expect(stdout).toBe(
      "NAME  STATUS   IMAGE  CPUS  MEMORY  DISK  ADDRESS     AGE\n" +
        "web   running  nginx     1    512M    8G  10.100.0.2   2h\n",
    );
  });

  test("fits 80 columns with long names, also with usage", async () => {
    const vm = sampleVm({
      name: "n".repeat(63),
      image: `registry.example.org/some/very/long/path/${"x".repeat(40)}:1.2.3`,
      network: { ...sampleVm().network, guestIp: "10.100.255.254" },
      usedBytes: 1.5 * 1024 ** 3,
    });
    for (const flags of [[], ["--usage"]]) {
      const { stdout } = await runCli(["vm", "list", ...flags], {
        terminal: true,
        environment: { NO_COLOR: "1", LANG: "C.UTF-8" },
        vms: { list: async () => [vm] },
      });
      for (const line of stdout.trimEnd().split("\n")) expect([...line].length).toBeLessThanOrEqual(80);
      expect(stdout).toContain(":1.2.3");
      expect(stdout.includes("USED")).toBe(flags.length > 0);
    }
  });

  test("JSON is the array of summaries, whatever the width", async () => {
    const { stdout } = await runCli(["vm", "list", "--format", "json"], { terminal: true });
    const [vm]: VmSummary[] = JSON.parse(stdout);
    expect(vm).toEqual(sampleVm());
    expect(stdout).toContain("docker.io/library/nginx:latest");
  });

  test("--quiet prints names, --status chooses", async () => {
    const list = async (): Promise<VmSummary[]> => [sampleVm(), sampleVm({ name: "db", status: "stopped" })];
    expect((await runCli(["vm", "list", "-q"], { vms: { list } })).stdout).toBe("web\ndb\n");
    expect((await runCli(["vm", "list", "-q", "--status", "stopped"], { vms: { list } })).stdout).toBe(
      "db\n",
    );
    expect((await runCli(["vm", "list", "--status", "failed"], { vms: { list } })).stderr).toBe(
      "no VM is failed\n",
    );
  });

  test("an empty list says how to make the first one, on standard error alone", async () => {
    const list = async (): Promise<VmSummary[]> => [];
    const { stdout, stderr } = await runCli(["vm", "list"], { vms: { list } });
    expect(stdout).toBe("");
    expect(stderr).toContain("ember vm create");
    expect(await runCli(["vm", "list", "--format", "json"], { vms: { list } })).toMatchObject({
      stdout: "[]\n",
      stderr: "",
    });
    expect((await runCli(["vm", "list", "--quiet"], { vms: { list } })).stderr).toBe("");
  });

  test("colours are for terminals, and NO_COLOR is obeyed", async () => {
    expect((await runCli(["vm", "list"])).stdout).not.toContain("\x1b");
    expect((await runCli(["vm", "list"], { terminal: true })).stdout).toContain("\x1b[32mrunning");
    const plain = await runCli(["vm", "list"], { terminal: true, environment: { NO_COLOR: "1" } });
    expect(plain.stdout).not.toContain("\x1b");
  });
});

describe("making VMs", () => {
  test("prints a line for people, the name with --quiet, everything as JSON", async () => {
    const argv = ["vm", "create", "web", "--image", "nginx"];
    expect((await runCli(argv)).stdout).toBe("created web (running at 10.100.0.2) in 0 ms\n");
    expect((await runCli([...argv, "-q"])).stdout).toBe("web\n");
    expect(JSON.parse((await runCli([...argv, "--format=json"])).stdout)).toEqual(sampleVm());
    expect((await runCli(["vm", "fork", "web", "copy"])).stdout).toStartWith("forked copy (running");
  });
});

describe("several VMs at once", () => {
  const start = async (name: string): Promise<void> => {
    if (name === "b") throw new EmberError("vm-not-found", "there is no VM 'b'");
    if (name === "c") throw new EmberError("wrong-state", "it is paused");
  };

  test("all are tried, each failure is told with its name, the first one gives the status", async () => {
    const { status, stderr, calls } = await runCli(["vm", "start", "a", "b", "c", "d", "a"], {
      vms: { start },
    });
    expect(status).toBe(3);
    expect(stderr).toContain("error: there is no VM 'b'\n");
    expect(stderr).toContain("error: c: it is paused\n");
    expect(stderr).toContain("started a in");
    expect(stderr).toContain("started d in");
    expect(calls.filter(({ method }) => method === "vms.start")).toHaveLength(4);
  });

  test("no more than four at a time", async () => {
    let running = 0;
    let most = 0;
    const names = Array.from({ length: 12 }, (_, index) => `vm-${index}`);
    const pause = async (): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    };
    expect((await runCli(["vm", "pause", ...names], { vms: { pause } })).status).toBe(0);
    expect(most).toBe(4);
  });

  test("messages are left out with --quiet", async () => {
    expect((await runCli(["vm", "start", "a", "b", "-q"])).stderr).toBe("");
  });
});

describe("vm inspect, logs and stats", () => {
  test("inspect shows the fields, and what came from outside cannot steer the terminal", async () => {
    const inspect = async (): Promise<ReturnType<typeof sampleVm>> =>
      sampleVm({ environment: { A: "\x1b]0;x\x07" } });
    const { stdout } = await runCli(["vm", "inspect", "web"], { vms: { inspect } });
    expect(stdout).toContain("ports           127.0.0.1:8080 -> 80/tcp\n");
    expect(stdout).toContain("command         nginx -g 'daemon off;'\n");
    expect(stdout).not.toContain("\x1b");
  });

  test("logs are printed as they come", async () => {
    expect((await runCli(["vm", "logs", "web"])).stdout).toBe("first line\nsecond line\n");
  });

  test("stats are a table of 80 columns, and a VM that does not answer has gaps", async () => {
    const stats = async (): Promise<ReturnType<typeof sampleStats>[]> => [
      sampleStats({ name: "n".repeat(63) }),
      sampleStats({ name: "down", status: "stopped", cpuSeconds: null, hostMemoryBytes: null, guest: null }),
    ];
    const { stdout } = await runCli(["vm", "stats"], {
      terminal: true,
      environment: { NO_COLOR: "1" },
      vms: { stats },
    });
    const lines = stdout.trimEnd().split("\n");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(lines[1]).toContain("112M/512M");
    expect(lines[2]?.split(/ +/)).toEqual(["down", "stopped", "-", "-", "-", "-", "-", "-", "-"]);
  });

  test("what the network refused is a column once there is something", async () => {
    const counts = { allowed: 7, refused: 12, spoofed: 3, connections: 1, receivedBytes: 0, sentBytes: 0 };
    const stats = async (): Promise<ReturnType<typeof sampleStats>[]> => [
      sampleStats({ name: "n".repeat(63), network: counts }),
      sampleStats({ name: "tap" }),
    ];
    const look = { terminal: true, environment: { NO_COLOR: "1" }, vms: { stats } };
    const [heading = "", first = "", second = ""] = (await runCli(["vm", "stats"], look)).stdout.split("\n");
    for (const line of [heading, first, second]) expect(line.length).toBeLessThanOrEqual(80);
    const column = heading.split(/ +/).indexOf("REFUSED");
    expect([first, second].map((line) => line.split(/ +/)[column])).toEqual(["15", "-"]);
    const quiet = async () => [sampleStats({ network: { ...counts, refused: 0, spoofed: 0 } })];
    expect((await runCli(["vm", "stats"], { vms: { stats: quiet } })).stdout).not.toContain("REFUSED");
  });

  test("--watch goes on until it is interrupted, which prints no error", async () => {
    let looks = 0;
    const result = await runCli(["vm", "stats", "--watch", "--format", "json"], {
      onStart: ({ interruption }) => {
        Object.assign(watched, { interruption });
      },
      sleep: async () => {
        looks += 1;
        if (looks === 3) watched.interruption?.receive("SIGINT");
        await Promise.resolve();
      },
    });
    expect(result).toMatchObject({ status: 130, stderr: "" });
    expect(result.stdout.trimEnd().split("\n")).toHaveLength(3);
    for (const line of result.stdout.trimEnd().split("\n")) expect(JSON.parse(line)).toEqual([sampleStats()]);
  });

  const watched: { interruption?: { receive(name: "SIGINT"): void } } = {};
});

describe("vm delete of a VM and its forks", () => {
  const needed = (name: string): EmberError =>
    new EmberError("has-dependants", `VM '${name}' has a fork`, { hint: "delete it first" });

  test("works in whatever order they are named", async () => {
    const left = new Set(["web", "child", "grandchild"]);
    const needs: Readonly<Record<string, string>> = { web: "child", child: "grandchild" };
    const remove = async (name: string): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (left.has(needs[name] ?? "")) throw needed(name);
      left.delete(name);
    };
    const { status, stderr } = await runCli(["vm", "delete", "web", "child", "grandchild"], {
      vms: { delete: remove },
    });
    expect(status).toBe(0);
    expect(stderr).not.toContain("error");
    expect([...left]).toEqual([]);
  });

  test("tells what is still needed when nothing else is left to delete", async () => {
    const remove = async (name: string): Promise<void> => {
      if (name === "web") throw needed(name);
    };
    const { status, stderr } = await runCli(["vm", "delete", "web", "other"], { vms: { delete: remove } });
    expect(status).toBe(4);
    expect(stderr).toContain("deleted other");
    expect(stderr.match(/has a fork/g)).toHaveLength(1);
  });
});
