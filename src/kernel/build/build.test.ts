import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { skipUnless } from "../../../test/support/require.ts";
import type { ErrorCode } from "../../errors/catalogue.ts";
import { EmberError } from "../../errors/ember-error.ts";
import { hostArchitecture } from "../../guest/binary/architecture.ts";
import { identify } from "../../host/process-identity.ts";
import { setToolEnvironment } from "../../host/tools.ts";
import type { TaskOptions } from "../../types.ts";
import { listKernels, sweepKernels } from "../store.ts";
import { type FakeSource, writeFakeSource } from "../testing/fake-source.ts";
import { type BuiltKernel, buildKernel } from "./build.ts";
import type { BuildKernelRequest } from "./plan.ts";
import { findToolchain } from "./toolchain.ts";

setDefaultTimeout(60_000);

const reason = await findToolchain(hostArchitecture()).then(
  () => "",
  (error: Error) => error.message,
);
const skip = skipUnless("kernel-toolchain", reason === "", reason);

let folder = "";
let places = { kernelsDir: "", cacheDir: "" };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-build-"));
  places = { kernelsDir: join(folder, "kernels"), cacheDir: join(folder, "cache") };
});
afterEach(() => {
  setToolEnvironment({});
  rmSync(folder, { recursive: true, force: true });
});

const sourceOf = (fake?: FakeSource): { from: string; sha256: string } => writeFakeSource(folder, fake);

const build = (request: BuildKernelRequest, task: TaskOptions = {}): Promise<BuiltKernel> =>
  buildKernel(places, request, (body) => body(), task);

/** How it failed; nothing but logs and downloads may be left. */
async function failure(request: BuildKernelRequest, task: TaskOptions = {}): Promise<EmberError> {
  try {
    await build(request, task);
  } catch (error) {
    if (!(error instanceof EmberError)) throw error;
    expect(existsSync(places.kernelsDir) ? readdirSync(places.kernelsDir) : []).toEqual([]);
    return error;
  }
  throw new Error("it did not fail");
}

describe.skipIf(skip)("a kernel that is built", () => {
  test("is taken in with its configuration, under its version, and leaves nothing else", async () => {
    const steps: string[] = [];
    const { kernel } = await build({ source: sourceOf() }, { onProgress: ({ step }) => steps.push(step) });
    expect(kernel).toMatchObject({
      name: "microvm-6.1.99",
      version: "6.1.99",
      format: hostArchitecture() === "amd64" ? "bzImage" : "Image",
      arch: hostArchitecture(),
    });
    expect(kernel?.source).toBe(`built from ${join(folder, "linux.tar.gz")}`);
    const config = readFileSync(join(places.kernelsDir, "microvm-6.1.99", "config"), "utf8");
    expect(config).toContain("CONFIG_OVERLAY_FS=y\n");
    expect(config).toContain(hostArchitecture() === "amd64" ? "by x86_64" : "by arm64");
    expect(steps).toContain("compiling kernel/fork.o");
    expect(readdirSync(places.kernelsDir)).toEqual(["microvm-6.1.99"]);
    expect(await failureOfTaken()).toBe("kernel-exists");
  });

  async function failureOfTaken(): Promise<string> {
    const again = await build({ source: sourceOf({ recipe: "false" }) }).catch((error: EmberError) => error);
    return again instanceof EmberError ? again.code : "built";
  }

  test("can go to a file of its own, which nothing is written over", async () => {
    const output = join(folder, "bzImage");
    const { made, kernel } = await build({ source: sourceOf(), output });
    expect(kernel).toBeUndefined();
    expect(readFileSync(output).equals(made.kernel.original ?? made.kernel.kernel)).toBe(true);
    expect(listKernels(places)).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual(["bzImage", "cache", "kernels", "linux.tar.gz"]);
    expect((await failure({ source: sourceOf(), output })).code).toBe("kernel-exists");
  });

  test("has the user's own options, which win over ours", async () => {
    const config = join(folder, "own.config");
    const lines = ['CONFIG_DUMMY_OF_MINE="a b"', "CONFIG_XFS_FS=y", "# CONFIG_WIREGUARD is not set"];
    writeFileSync(config, `# mine\n${lines.join("\n")}\n`);
    const { made, kernel } = await build({ source: sourceOf(), config, name: "mine" });
    const text = made.config?.toString() ?? "";
    expect(text).toContain('CONFIG_DUMMY_OF_MINE="a b"\n');
    expect(text).not.toContain("WIREGUARD");
    expect(kernel?.roots).toEqual([{ fileSystem: "xfs", archive: undefined }]);
  });
});

describe.skipIf(skip)("a build that fails", () => {
  test("names the options that the source did not take, before it compiles", async () => {
    const error = await failure({
      source: sourceOf({
        unknownOptions: ["CONFIG_OVERLAY_FS", "CONFIG_BPF_JIT"],
        recipe: "touch $(O)/../../../compiled",
      }),
    });
    expect(error.code).toBe("invalid-config");
    expect(error.message).toContain("CONFIG_OVERLAY_FS=y");
    expect(error.message).not.toContain("CONFIG_BPF_JIT"); // wanted where there is one
    expect(existsSync(join(folder, "compiled"))).toBe(false);
  });

  test("quotes the end of what was printed, and says where all of it is", async () => {
    const recipe =
      '@echo "kernel/fork.c:1: error: no such thing" >&2; for i in 1 2 3; do echo "  CC      a.o"; done; exit 2';
    const error = await failure({ source: sourceOf({ recipe }), name: "mine" });
    expect(error.code).toBe("build-failed");
    expect(error.message).toContain("kernel/fork.c:1: error: no such thing");
    expect(error.message).not.toContain("CC      a.o");
    const log = join(places.cacheDir, "build", "mine.log");
    expect(error.hint).toContain(log);
    expect(readFileSync(log, "utf8")).toContain("CC      a.o");
  });

  test("because it was interrupted ends what it started", async () => {
    const stop = new AbortController();
    const pidFile = join(folder, "pid");
    const recipe = `sleep 600 & echo $$! > ${pidFile}; wait`;
    const failed = failure({ source: sourceOf({ recipe }) }, { signal: stop.signal });
    const pid = await pidIn(pidFile);
    stop.abort();
    expect((await failed).code).toBe("interrupted");
    await gone(pid);
  });

  test("because it was killed is swept, with the compilers that went on without it", async () => {
    const pidFile = join(folder, "pid");
    const { from, sha256 } = sourceOf({ recipe: `sleep 600 & echo $$! > ${pidFile}; wait` });
    const script = join(import.meta.dir, "../testing/build-in-process.ts");
    const child = spawn(process.execPath, ["--conditions=linux", script, folder, from, sha256], {
      stdio: "inherit",
    });
    const pid = await pidIn(pidFile);
    expect(sweepKernels(places)).toEqual([]); // it still runs
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
    expect(readdirSync(places.kernelsDir)).toHaveLength(1);
    expect(sweepKernels(places)).toHaveLength(1);
    expect(readdirSync(places.kernelsDir)).toEqual([]);
    await gone(pid);
  });
});

async function pidIn(path: string): Promise<number> {
  for (let tries = 0; tries < 1000; tries++) {
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    if (text.endsWith("\n")) return Number(text);
    await sleep(20);
  }
  throw new Error("the build never got there");
}

async function gone(pid: number): Promise<void> {
  for (let tries = 0; identify(pid) !== undefined; tries++) {
    if (tries === 250) throw new Error(`process ${pid} still runs`);
    await sleep(20);
  }
}

describe("a build that cannot begin", () => {
  const refused = async (request: BuildKernelRequest, code: ErrorCode, message: string): Promise<void> => {
    const error = await failure(request);
    expect({ code: error.code, message: error.message }).toEqual({
      code,
      message: expect.stringContaining(message),
    });
    expect(existsSync(places.cacheDir)).toBe(false);
  };

  test("for want of anything that verifies its source", async () => {
    await refused({ source: { from: "/x/linux.tar.xz" } }, "usage", "nothing says");
    await refused({ source: { from: "/x", sha256: "123" } }, "usage", "64");
    await refused({ source: { from: "/x", sha256: "0".repeat(64), signature: "/s" } }, "usage", "keys");
  });

  test("for a kernel that would be of no use here", async () => {
    const other = hostArchitecture() === "amd64" ? "arm64" : "amd64";
    await refused({ arch: other }, "usage", other);
    await refused({ arch: "arm64", format: "bzimage", output: "/x" }, "usage", "bzimage");
  });

  test("for options that are none, or that ask for modules", async () => {
    const config = join(folder, "own.config");
    for (const [line, message] of [
      ["CONFIG_X=$(shell touch /tmp/x)", "line 1"],
      ["WIREGUARD=y", "line 1"],
      ["CONFIG_WIREGUARD=m", "modules"],
      ["CONFIG_MODULES=y", "modules"],
    ] as const) {
      writeFileSync(config, `${line}\n`);
      await refused({ config }, "invalid-config", message);
    }
    await refused({ config: join(folder, "none") }, "file-not-found", "none");
  });

  test.skipIf(skip)("for want of tools names every package that is missing at once", async () => {
    const tools = join(folder, "tools");
    mkdirSync(tools);
    writeFileSync(join(tools, "gcc"), "#!/bin/sh\nexit 1\n");
    chmodSync(join(tools, "gcc"), 0o755);
    setToolEnvironment({ PATH: tools });
    const error = await failure({});
    expect(error.code).toBe("tool-missing");
    expect(error.message).toMatch(/: stdlib\.h/);
    expect(error.hint).toMatch(/apt-get install libc6-dev/);
  });
});
