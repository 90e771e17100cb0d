import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { skipUnless } from "../../../test/support/require.ts";
import { busyboxPath } from "../../../test/support/rootfs.ts";
import { lookUpTool, setToolEnvironment } from "../../host/tools.ts";
import { Workshop } from "../testing/workshop.ts";
import { builders } from "./builders.ts";
import { developerDockerfile } from "./developer.ts";

// Docker's command line is of use only where its daemon runs.
const works = (name: string): boolean =>
  lookUpTool(name) !== undefined && (name !== "docker" || spawnSync("docker", ["info"]).status === 0);
const installed = builders.map(({ name }) => name).filter(works);
const skip = skipUnless(
  "builder",
  installed.length > 0,
  "neither buildah nor podman nor docker is installed",
);

setDefaultTimeout(120_000);

const notices: string[] = [];
let workshop: Workshop;
let context: string;
beforeEach(async () => {
  workshop = await Workshop.make({ notice: (line) => notices.push(line) });
  context = join(workshop.home, "a context, with spaces");
  mkdirSync(context);
  // What builders keep is the test's own, and goes with it.
  const storage = join(workshop.home, "storage.conf");
  const places = `graphroot = "${workshop.home}/graph"\nrunroot = "${workshop.home}/run"`;
  writeFileSync(storage, `[storage]\ndriver = "vfs"\n${places}\n`);
  setToolEnvironment({ CONTAINERS_STORAGE_CONF: storage });
  copyFileSync(busyboxPath(), join(context, "busybox"));
});
afterEach(() => {
  setToolEnvironment({});
  workshop[Symbol.dispose]();
});

const write = (name: string, ...lines: readonly string[]): void =>
  writeFileSync(join(context, name), `FROM scratch\nCOPY busybox /bin/busybox\n${lines.join("\n")}\n`);
const build = (options: object = {}) => workshop.images.build(context, { name: "app", ...options });

describe.skipIf(skip)("an image that is built", () => {
  test.each(installed)("by %s has what its Dockerfile says, and leaves nothing else", async (builder) => {
    write("Dockerfile", 'RUN ["/bin/busybox", "touch", "/made"]', 'CMD ["/bin/app"]', "ENV COLOR=blue");
    const steps: string[] = [];
    const image = await build({ builder, onProgress: ({ step }: { step: string }) => steps.push(step) });
    expect(await workshop.images.inspect("app")).toMatchObject({
      config: { command: ["/bin/app"], environment: expect.arrayContaining(["COLOR=blue"]) },
      source: `build:${join(context, "Dockerfile")}`,
    });
    expect(steps.join("\n")).toContain("RUN");
    expect(workshop.files()).toEqual([`storage/images/${image.id}.ext4`]);
  });

  test("again replaces the one before, from another file too when it is named", async () => {
    write("Dockerfile", "ENV A=1");
    const first = await build();
    write("Dockerfile", "ENV A=2");
    const second = await build();
    expect(second.id).not.toBe(first.id);
    expect(await workshop.images.list()).toHaveLength(1);
    write("Other", "ENV A=3");
    await expect(build({ file: join(context, "Other") })).rejects.toMatchObject({ code: "image-exists" });
    await build({ name: "other", file: join(context, "Other") });
  });

  test("fails with the step that failed, and leaves no image", async () => {
    write("Dockerfile", 'RUN ["/bin/busybox", "false"]');
    const error = await build().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "build-failed", message: expect.stringContaining("RUN") });
    expect(await workshop.images.list()).toEqual([]);
    expect(workshop.files()).toEqual([]);
  });
});

describe("a build that cannot begin", () => {
  test("names the Dockerfile or the folder that is missing", async () => {
    await expect(build()).rejects.toMatchObject({
      code: "file-not-found",
      hint: expect.stringContaining("--file"),
    });
    await expect(build({ file: join(context, "none") })).rejects.toMatchObject({ code: "file-not-found" });
    const elsewhere = workshop.images.build(join(context, "none"), { name: "app" });
    await expect(elsewhere).rejects.toMatchObject({ code: "file-not-found" });
  });

  test("names the builders that there are", async () => {
    write("Dockerfile");
    const error = await build({ builder: "kaniko" }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "usage", hint: "choose one of: buildah, podman, docker" });
  });
});

describe("a build without a Dockerfile", () => {
  /** A builder that keeps what it was asked for, and makes nothing. */
  const recorded = (): { read: (name: string) => string } => {
    const notes = join(workshop.home, "notes");
    const tools = join(workshop.home, "tools");
    for (const folder of [notes, tools]) mkdirSync(folder);
    const lines = [
      "#!/bin/sh",
      "for last; do :; done",
      `cp ember.Dockerfile '${notes}'`,
      `ls -A "$last" >'${notes}/context'`,
      "exit 1",
    ];
    writeFileSync(join(tools, "buildah"), lines.join("\n"), { mode: 0o755 });
    setToolEnvironment({ PATH: `${tools}:/usr/bin:/bin` });
    return { read: (name) => readFileSync(join(notes, name), "utf8") };
  };

  test("makes the developer image when that is wanted, says so, and hands over nothing of the folder", async () => {
    const { read } = recorded();
    const before = notices.length;
    await expect(build({ orDeveloper: true, builder: "buildah" })).rejects.toMatchObject({
      code: "build-failed",
    });
    expect(notices.slice(before).join()).toContain("developer image");
    expect(read("ember.Dockerfile")).toBe(developerDockerfile);
    expect(read("context")).toBe("");
    expect(await workshop.images.list()).toEqual([]);
  });

  test("still takes the folder's own Dockerfile", async () => {
    const { read } = recorded();
    write("Containerfile", "ENV A=1");
    await expect(build({ orDeveloper: true, builder: "buildah" })).rejects.toMatchObject({
      code: "build-failed",
    });
    expect(read("ember.Dockerfile")).toContain("ENV A=1");
    expect(read("context")).toContain("busybox");
  });
});

test("the developer image has an init, a user who may become root, and nothing that goes on lines of its own", () => {
  const instructions = developerDockerfile
    .trim()
    .split("\n")
    .map((line) => line.split(" ")[0]);
  expect(instructions).toEqual(["FROM", "ARG", "RUN", "ENV", "CMD"]);
  expect(developerDockerfile).toMatch(/systemd-sysv.* sudo /);
  expect(developerDockerfile).toContain("dev ALL=(ALL:ALL) NOPASSWD: ALL");
});
