import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../host/run.ts";
import { runCli } from "../testing/run-cli.ts";
import { sampleVm } from "../testing/samples.ts";

let folder: string;
let script: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ember-completion-"));
  script = join(folder, "ember.bash");
  writeFileSync(script, (await runCli(["completion", "bash"])).stdout);
  // Stands for the program where the script asks for names.
  const program =
    '#!/bin/sh\ncase "$*" in "__complete vm") echo web db ;; "__complete snapshot web") echo clean later ;; esac\n';
  writeFileSync(join(folder, "ember"), program, { mode: 0o755 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What bash offers for the last word. */
async function offered(...words: string[]): Promise<string[]> {
  const body = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ember; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const program = join(folder, "ember");
  const { stdout } = await run("bash", ["-c", body, "bash", script, program, ...words]);
  return stdout
    .split("\n")
    .filter((word) => word !== "")
    .sort();
}

describe("bash", () => {
  test("the script has no error of syntax", async () => {
    await run("bash", ["-n", script]);
  });

  test("offers commands, also after global flags", async () => {
    expect(await offered("ve")).toEqual(["version"]);
    expect(await offered("vm", "st")).toEqual(["start", "stats", "stop"]);
    expect(await offered("--quiet", "--format", "json", "vm", "li")).toEqual(["list"]);
    expect(await offered("")).not.toContain("__proxy");
  });

  test("offers flags, and the values that a flag takes", async () => {
    expect(await offered("vm", "create", "--me")).toEqual(["--memory"]);
    expect(await offered("vm", "wait", "web", "--for", "")).toEqual(["ready", "stopped"]);
    expect(await offered("--format", "j")).toEqual(["json"]);
    expect(await offered("--format", "=")).toEqual(["json", "table"]);
  });

  test("asks for names where a command takes them", async () => {
    expect(await offered("vm", "start", "")).toEqual(["db", "web"]);
    expect(await offered("vm", "start", "web", "d")).toEqual(["db"]);
    expect(await offered("exec", "-it", "w")).toEqual(["web"]);
    expect(await offered("vm", "list", "")).toEqual([]);
  });

  test("asks for the snapshots of the VM that was named", async () => {
    expect(await offered("snapshot", "restore", "")).toEqual(["db", "web"]);
    expect(await offered("snapshot", "restore", "web", "")).toEqual(["clean", "later"]);
    expect(await offered("snapshot", "--quiet", "diff", "web", "clean", "l")).toEqual(["later"]);
    expect(await offered("snapshot", "delete", "web", "clean", "later", "c")).toEqual(["clean"]);
    expect(await offered("snapshot", "create", "web", "")).toEqual([]);
    expect(await offered("snapshot", "restore", "db", "")).toEqual([]);
  });
});

test("every shell's script knows every command", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout, status } = await runCli(["completion", shell]);
    expect(status).toBe(0);
    for (const word of ["reconcile", "vm create", "bootstrap", "disk-size"]) expect(stdout).toContain(word);
    expect(stdout).not.toContain("__proxy");
  }
});

describe("names for completion", () => {
  test("are plain, so that no shell expands them", async () => {
    const list = async (): Promise<ReturnType<typeof sampleVm>[]> => [
      sampleVm(),
      sampleVm({ name: "$(reboot)" }),
    ];
    expect((await runCli(["__complete", "vm"], { vms: { list } })).stdout).toBe("web\n");
    expect((await runCli(["__complete", "image"])).stdout).toBe("nginx\n");
    expect((await runCli(["__complete", "kernel"])).stdout).toBe("debian\n");
    expect((await runCli(["__complete", "snapshot", "web"])).stdout).toBe("clean\n");
    expect((await runCli(["__complete", "snapshot"])).stdout).toBe("");
  });

  test("a failure says nothing", async () => {
    const list = async (): Promise<never> => {
      throw new Error("broken");
    };
    expect(await runCli(["__complete", "vm"], { vms: { list } })).toMatchObject({
      status: 1,
      stdout: "",
      stderr: "",
    });
  });
});
