import { describe, expect, test } from "bun:test";
import { EmberError } from "../../../errors/ember-error.ts";
import { runCli } from "../../testing/run-cli.ts";

const line = ["kernel", "build"];
const built = (calls: readonly { readonly method: string }[]): boolean =>
  calls.some(({ method }) => method === "kernels.build");

describe("a build, which takes minutes,", () => {
  test.each([
    ["y\n", true],
    ["yes\n", true],
    ["n\n", false],
    ["\n", false],
    ["", false],
  ])("is begun after the answer %j: %p", async (answer, begun) => {
    const result = await runCli(line, { terminal: true, onStart: ({ stdin }) => stdin.end(answer) });
    expect(result.stderr).toContain("Go on? [y/N]");
    expect(built(result.calls)).toBe(begun);
    expect(result.status).toBe(begun ? 0 : 1);
  });

  test("is begun unasked with -y", async () => {
    const result = await runCli([...line, "-y"], { terminal: true });
    expect(result.stderr).not.toContain("Go on?");
    expect(built(result.calls)).toBe(true);
  });

  test("is not begun where nobody can be asked", async () => {
    const result = await runCli(line);
    expect(result).toMatchObject({ status: 2, stderr: expect.stringContaining("say yes with -y") });
    expect(built(result.calls)).toBe(false);
  });
});

test("what was built is said, and what can boot it", async () => {
  const { stdout } = await runCli([...line, "-y", "--name", "mine"]);
  expect(stdout).toMatch(/^built mine \(6\.1\.1, bzImage\) in .*; boots under qemu, firecracker\n$/);
  expect((await runCli([...line, "-y", "-o", "x", "--quiet"])).stdout).toBe("/work/x\n");
  const json = JSON.parse((await runCli([...line, "-y", "--format", "json"])).stdout);
  expect(json).toMatchObject({
    path: null,
    kernel: { name: "microvm-6.1.1" },
    hypervisors: ["qemu", "firecracker"],
  });
});

test("what verifies a source is refused where no source is named", async () => {
  for (const flag of ["--keyring", "--sha256", "--signature"])
    expect((await runCli([...line, "-y", flag, "x"])).status).toBe(2);
});

test("the end of a failed build's output is shown in its lines", async () => {
  const build = (): Promise<never> =>
    Promise.reject(
      new EmberError(
        "build-failed",
        "the kernel was not built: 'make' failed\na.c:1: error\nmake: *** Error 1",
      ),
    );
  const { stderr } = await runCli([...line, "-y"], { kernels: { build } });
  expect(stderr).toContain(
    "error: the kernel was not built: 'make' failed\n  a.c:1: error\n  make: *** Error 1\n",
  );
});

test("a container is asked for by name, or by what is only for one", async () => {
  const asked = async (...flags: readonly string[]): Promise<unknown> => {
    const { calls } = await runCli([...line, "-y", ...flags]);
    const [options] = calls.find(({ method }) => method === "kernels.build")?.args ?? [];
    return options;
  };
  expect(await asked()).not.toHaveProperty("container");
  expect(await asked("--container")).toHaveProperty("container", {});
  expect(await asked("--container-image", "mine:1")).toHaveProperty("container", { image: "mine:1" });
  expect(await asked("--container-runtime", "docker")).toHaveProperty("container", { runtime: "docker" });
});
