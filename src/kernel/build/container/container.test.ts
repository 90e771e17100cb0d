import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../../../errors/ember-error.ts";
import { setToolEnvironment } from "../../../host/tools.ts";
import { sweepKernels } from "../../store.ts";
import { type FakeRuntime, makeRuntime } from "../../testing/fake-runtime.ts";
import { type FakeSource, writeFakeSource } from "../../testing/fake-source.ts";
import { type BuiltKernel, buildKernel } from "../build.ts";
import type { BuildKernelRequest } from "../plan.ts";

setDefaultTimeout(60_000);

let folder = "";
let places = { kernelsDir: "", cacheDir: "" };
let runtime: FakeRuntime;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-contained-"));
  places = { kernelsDir: join(folder, "with space", "kernels"), cacheDir: join(folder, "cache") };
  runtime = makeRuntime(folder);
  setToolEnvironment({ PATH: runtime.path });
});
afterEach(() => {
  setToolEnvironment({});
  rmSync(folder, { recursive: true, force: true });
});

const sourceOf = (fake?: FakeSource): { from: string; sha256: string } => writeFakeSource(folder, fake);

const build = (request: BuildKernelRequest, signal?: AbortSignal): Promise<BuiltKernel> =>
  buildKernel(
    places,
    { container: { runtime: "podman" }, ...request },
    (body) => body(),
    signal === undefined ? {} : { signal },
  );

async function failure(request: BuildKernelRequest, signal?: AbortSignal): Promise<EmberError> {
  const error = await build(request, signal).catch((reason: unknown) => reason);
  if (!(error instanceof EmberError)) throw error;
  expect(runtime.containers()).toEqual([]);
  expect(existsSync(places.kernelsDir) ? readdirSync(places.kernelsDir) : []).toEqual([]);
  return error;
}

describe("a kernel that is built in a container", () => {
  test("comes out of it, whatever the state folder is called, and the container goes", async () => {
    const { kernel } = await build({ source: sourceOf() });
    expect(kernel).toMatchObject({ name: "microvm-6.1.99", version: "6.1.99" });
    expect(runtime.containers()).toEqual([]);
    expect(runtime.calls().find((call) => call.startsWith("run "))).toMatch(
      /--network none .* sha256:made infinity$/,
    );
  });

  test("can be one of an image of the user's own", async () => {
    await build({ source: sourceOf(), container: { runtime: "podman", image: "mine:1" } });
    expect(runtime.calls().filter((call) => call.startsWith("build "))).toEqual([]);
    expect(runtime.calls().find((call) => call.startsWith("run "))).toMatch(/ mine:1 infinity$/);
  });
});

describe("a container goes too", () => {
  test("when compiling fails, which is told", async () => {
    const error = await failure({ source: sourceOf({ recipe: '@echo "fork.c:1: error" >&2; exit 2' }) });
    expect(error).toMatchObject({
      code: "build-failed",
      message: expect.stringContaining("fork.c:1: error"),
    });
  });

  test("when what should have been made was not", async () => {
    expect((await failure({ source: sourceOf({ recipe: "true" }) })).message).toContain(
      "without making 'out/arch/",
    );
  });

  test("when its image cannot be made", async () => {
    writeFileSync(join(folder, "offline"), "");
    const error = await failure({ source: sourceOf() });
    expect(error.message).toContain("cannot reach the mirror");
    expect(error.hint).toContain("--container-image");
  });

  test("when the build is interrupted", async () => {
    const stop = new AbortController();
    const failed = failure({ source: sourceOf({ recipe: `touch ${folder}/begun; sleep 600` }) }, stop.signal);
    await begun();
    stop.abort();
    expect((await failed).code).toBe("interrupted");
  });

  test("by the next command, when the build was killed", async () => {
    const { from, sha256 } = sourceOf({ recipe: `touch ${folder}/begun; sleep 600` });
    const script = join(import.meta.dir, "../../testing/build-in-process.ts");
    const args = ["--conditions=linux", script, folder, from, sha256, "podman", runtime.path];
    const child = spawn(process.execPath, args, { stdio: "inherit" });
    await begun();
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
    expect(runtime.containers()).toHaveLength(1);
    expect(sweepKernels({ kernelsDir: join(folder, "kernels"), cacheDir: "" })).toHaveLength(1);
    expect(runtime.containers()).toEqual([]);
  });
});

async function begun(): Promise<void> {
  for (let tries = 0; !existsSync(join(folder, "begun")); tries++) {
    if (tries === 1000) throw new Error("the build never got there");
    await sleep(20);
  }
}

describe("a container that there cannot be", () => {
  test("for want of a program", async () => {
    const empty = join(folder, "empty");
    mkdirSync(empty);
    setToolEnvironment({ PATH: empty });
    const request: BuildKernelRequest = { source: sourceOf(), container: { runtime: "podman-of-nobody" } };
    expect((await failure(request)).code).toBe("usage");
  });
});
