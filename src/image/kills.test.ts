import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeLayout } from "../../test/support/layouts.ts";
import { missingForRegistry, TestRegistry } from "../../test/support/registry.ts";
import { RegistryProxy } from "../../test/support/registry-proxy.ts";
import { skipUnless } from "../../test/support/require.ts";
import { busyboxPath } from "../../test/support/rootfs.ts";
import { hostArchitecture } from "../guest/binary/architecture.ts";
import { lookUpTool } from "../host/tools.ts";
import { createImageOperation } from "./operations.ts";
import { sweepImages } from "./sweep.ts";
import { tarOf } from "./tar/testing/tar-builder.ts";
import { Workshop } from "./testing/workshop.ts";

// A pull and a build, with the tools that they run, are ended by SIGKILL: at each step, and amid what their tools do.

setDefaultTimeout(120_000);

const steps = createImageOperation().steps.flatMap(({ name }) =>
  ["before", "after"].map((phase) => `image.create:${name}:${phase}`),
);

let workshop: Workshop;
beforeEach(async () => {
  workshop = await Workshop.make();
});
afterEach(() => workshop[Symbol.dispose]());

async function kill(fault: string, ...args: readonly string[]): Promise<void> {
  const program = join(import.meta.dir, "testing", "killed-command.ts");
  const command = [process.execPath, "--conditions=linux", program, workshop.home, fault, ...args];
  const child = Bun.spawn(command, { stderr: "pipe" });
  await child.exited;
  if (child.signalCode !== "SIGKILL")
    throw new Error(`it was not killed: ${await new Response(child.stderr).text()}`);
}

/** Processes that work in the workshop's folders. */
function workers(): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return words.includes(workshop.home) || readlinkSync(`/proc/${pid}/cwd`).startsWith(workshop.home);
    } catch {
      return false; // it has ended
    }
  });
}

async function expectNothing(): Promise<void> {
  for (let left = 500; workers().length > 0 && left > 0; left--) await sleep(10);
  expect(workers()).toEqual([]);
  await workshop.installation.recoverAbandoned();
  expect(await workshop.images.list()).toEqual([]);
  expect(workshop.files()).toEqual([]);
  expect(workshop.installation.db.all("SELECT * FROM operations")).toEqual([]);
  expect(await sweepImages(workshop.installation)).toEqual([]);
}

describe.skipIf(skipUnless("registry", missingForRegistry() === undefined, missingForRegistry() ?? ""))(
  "a pull that is killed",
  () => {
    let registry: TestRegistry;
    let layers: readonly string[];
    beforeAll(async () => {
      registry = await TestRegistry.start();
    });
    afterAll(async () => {
      await registry[Symbol.asyncDispose]();
    });

    beforeEach(() => {
      const layout = join(workshop.home, "layout");
      const noise = () => Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString("hex");
      const made = [1, 2, 3].map((each) => ({ tar: tarOf({ path: `f${each}`, content: noise() }) }));
      writeLayout(layout, { layers: made, platform: `linux/${hostArchitecture()}` });
      registry.push(layout, "killed");
      const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8"));
      const manifest = index.manifests[0].digest.replace("sha256:", "");
      layers = JSON.parse(readFileSync(join(layout, "blobs/sha256", manifest), "utf8")).layers.map(
        ({ digest }: { digest: string }) => digest,
      );
    });

    const reference = (host = registry.host): string => `${host}/killed`;
    const pull = () => workshop.images.pull({ reference: reference(), name: "x", tlsVerify: false });

    test.each(steps)("at %s leaves nothing, and can be pulled then", async (fault) => {
      await kill(fault, "pull", reference(), "x");
      await expectNothing();
      expect(await pull()).toMatchObject({ name: "x" });
    });

    test("amid a layer leaves nothing, not even what fetches it", async () => {
      await using proxy = await RegistryProxy.start(registry.host, {
        meddle: ({ url }, response) => {
          if (!/\/blobs\//.test(url ?? "")) return false;
          response.writeHead(200, { "content-length": 1_000_000 }).write("the beginning");
          return true;
        },
      });
      await kill("progress:downloading", "pull", reference(proxy.host), "x");
      await expectNothing();
      expect(await pull()).toMatchObject({ name: "x" });
    });

    test("goes on with the layers that had come", async () => {
      await kill("image.create:import:before", "pull", reference(), "x");
      await workshop.installation.recoverAbandoned();
      for (const digest of layers) registry.forget(digest);
      expect(await pull()).toMatchObject({ name: "x" });
    });
  },
);

const buildah = lookUpTool("buildah") !== undefined;
describe.skipIf(skipUnless("builder", buildah, "buildah is not installed"))("a build that is killed", () => {
  let context: string;
  let storage: string;
  beforeEach(() => {
    context = join(workshop.home, "context");
    mkdirSync(context);
    storage = join(workshop.home, "storage.conf");
    const places = `graphroot = "${workshop.home}/graph"\nrunroot = "${workshop.home}/run"`;
    writeFileSync(storage, `[storage]\ndriver = "vfs"\n${places}\n`);
    copyFileSync(busyboxPath(), join(context, "busybox"));
  });
  const write = (...lines: readonly string[]): void =>
    writeFileSync(
      join(context, "Dockerfile"),
      ["FROM scratch", "COPY busybox /bin/", ...lines, ""].join("\n"),
    );

  test.each(steps)("at %s leaves no image and no file", async (fault) => {
    write();
    await kill(fault, "build", context, "x", storage);
    await expectNothing();
  });

  test("amid what its Dockerfile runs leaves no builder either", async () => {
    write('RUN ["/bin/busybox", "sleep", "600"]');
    await kill("progress:RUN", "build", context, "x", storage);
    await expectNothing();
  });
});
