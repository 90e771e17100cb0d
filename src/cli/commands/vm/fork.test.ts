import { describe, expect, test } from "bun:test";
import { EmberError } from "../../../errors/ember-error.ts";
import { runCli } from "../../testing/run-cli.ts";
import { sampleVm } from "../../testing/samples.ts";
import { sampleTree } from "../../testing/storage-samples.ts";

describe("vm fork --count", () => {
  const many = ["vm", "fork", "web", "agent", "--count", "100"];
  const names = Array.from({ length: 100 }, (_, index) => `agent-${index + 1}`);

  test("prints every name, one on each line, and nothing else", async () => {
    const { stdout, stderr, calls } = await runCli([...many, "--no-start"]);
    expect(stdout).toBe(names.map((name) => `${name}\n`).join(""));
    expect(stderr).toBe("forked 100 VMs in 0 ms\n");
    expect(calls[0]?.args[1]).toMatchObject({ name: "agent", count: 100, start: false });
    expect((await runCli([...many, "-q"])).stdout).toBe(stdout);
  });

  test("JSON is the array of the forks alone, in the order of their numbers", async () => {
    const all = ["agent", "agent-101", "web", ...names].sort();
    const list = async (): Promise<ReturnType<typeof sampleVm>[]> => all.map((name) => sampleVm({ name }));
    const { stdout } = await runCli([...many, "--format", "json"], { vms: { list } });
    expect(JSON.parse(stdout).map((vm: { name: string }) => vm.name)).toEqual(names);
  });

  test("of one is still numbered", async () => {
    expect((await runCli(["vm", "fork", "web", "agent", "--count", "1"])).stdout).toBe("agent-1\n");
  });

  test("prints no name when it failed: then there is none", async () => {
    const fork = async (): Promise<never> => {
      throw new EmberError("disk-full", "the pool is full");
    };
    expect(await runCli(many, { vms: { fork } })).toMatchObject({
      status: 1,
      stdout: "",
      stderr: "error: the pool is full\n",
    });
  });
});

test("vm tree draws in ASCII except on a terminal that has more; JSON is nested", async () => {
  const drawn = async (terminal: boolean, language: string): Promise<string> =>
    (await runCli(["vm", "tree"], { terminal, environment: { NO_COLOR: "1", LANG: language } })).stdout;
  expect(await drawn(true, "C.UTF-8")).toContain("│  └─ web-test  stopped");
  expect(await drawn(true, "C")).toContain("|  `- web-test  stopped");
  expect(await drawn(false, "C.UTF-8")).toContain("|  `- web-test  stopped");
  expect(JSON.parse((await runCli(["vm", "tree", "--format", "json"])).stdout)).toEqual([sampleTree]);
  const empty = await runCli(["vm", "tree"], { vms: { tree: async () => [] } });
  expect(empty).toMatchObject({ stdout: "", stderr: expect.stringContaining("ember image bootstrap") });
});

test("vm resize says what it did on standard error", async () => {
  expect(await runCli(["vm", "resize", "web", "--disk-size", "20G"])).toMatchObject({
    status: 0,
    stdout: "",
    stderr: "the disk of web has 20G now (0 ms)\n",
  });
});
