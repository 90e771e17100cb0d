import { describe, expect, test } from "bun:test";
import type { VmHandle } from "../../../api.ts";
import { EmberError } from "../../../errors/ember-error.ts";
import type { ExecOptions, ExecResult } from "../../../types.ts";
import { fakeEmber } from "../../testing/fake-ember.ts";
import { type CliOptions, type CliResult, type Controls, runCli } from "../../testing/run-cli.ts";
import { sampleImage } from "../../testing/samples.ts";
import { inventName } from "./invent-name.ts";

interface Ran {
  readonly result: CliResult;
  readonly created: unknown;
  readonly executed: readonly unknown[];
  readonly deleted: readonly unknown[];
}

/** Runs `ember run ...` against a VM whose command is `body`. */
async function run(
  argv: readonly string[],
  body: (options: ExecOptions) => Promise<ExecResult> = async () => ({
    exitStatus: 0,
    stdout: "",
    stderr: "",
  }),
  options: CliOptions = {},
): Promise<Ran> {
  let created: unknown;
  const executed: unknown[] = [];
  const deleted: unknown[] = [];
  const result = await runCli(["run", ...argv], {
    ...options,
    vms: {
      create: async (given): Promise<VmHandle> => {
        created = given;
        const handle = await fakeEmber().ember.vms.create(given);
        return {
          ...handle,
          id: handle.id,
          name: given.name,
          inspect: () => handle.inspect(),
          exec: async (command, how = {}) => {
            executed.push(command, how);
            return await body(how);
          },
          delete: async (how) => {
            deleted.push(how);
          },
          [Symbol.asyncDispose]: async () => undefined,
        };
      },
      ...options.vms,
    },
  });
  return { result, created, executed, deleted };
}

describe("run", () => {
  test("runs the command in a VM of its own, passes its status on, and deletes the VM", async () => {
    const ran = await run(
      ["nginx", "--name", "job", "--memory", "1G", "-e", "A=1", "--", "sh", "-c", "exit 3"],
      async () => ({
        exitStatus: 3,
        stdout: "",
        stderr: "",
      }),
    );
    expect(ran.result).toMatchObject({ status: 3, stdout: "", stderr: "" });
    expect(ran.created).toMatchObject({
      name: "job",
      image: "nginx",
      memoryBytes: 1024 ** 3,
      runCommand: false,
      onExit: "stay",
      ephemeral: true,
      environment: { A: "1" },
    });
    expect(ran.created).not.toHaveProperty("command");
    expect(ran.executed[0]).toEqual(["sh", "-c", "exit 3"]);
    expect(ran.deleted).toEqual([{ force: true }]);
  });

  test("without a command runs the image's own, as the image says: variables, user, folder", async () => {
    const { executed } = await run(["nginx", "-e", "NGINX=2"]);
    expect(executed[0]).toEqual(["/entry.sh", "nginx", "-g", "daemon off;"]);
    expect(executed[1]).toMatchObject({
      user: "web",
      workdir: "/srv",
      environment: { PATH: "/usr/bin:/bin", NGINX: "2" },
    });
    expect((await run(["nginx", "--user", "root"])).executed[1]).toMatchObject({ user: "root" });
  });

  test("an image without a command is refused before anything is made", async () => {
    const image = sampleImage({ config: { ...sampleImage().config, entrypoint: [], command: [] } });
    const { result, created } = await run(["debian"], undefined, { images: { inspect: async () => image } });
    expect(result.status).toBe(2);
    expect(result.stderr).toContain("hint: give a command: ember run debian -- sh");
    expect(created).toBeUndefined();
  });

  test("an image that is not there is pulled, and any other failure is not mistaken for that", async () => {
    let there = false;
    const images: CliOptions["images"] = {
      inspect: async (name) => {
        if (!there) throw new EmberError("image-not-found", "no image");
        return sampleImage({ name });
      },
      pull: async ({ reference }) => {
        there = true;
        return sampleImage({ name: `docker.io/library/${reference}:latest` });
      },
    };
    expect((await run(["nginx"], undefined, { images })).created).toMatchObject({
      image: "docker.io/library/nginx:latest",
    });
    const broken = async (): Promise<never> => {
      throw new EmberError("database-failed", "broken");
    };
    const { result } = await run(["nginx"], undefined, { images: { inspect: broken } });
    expect(result).toMatchObject({ status: 1, stderr: "error: broken\n" });
    expect(result.calls.map(({ method }) => method)).not.toContain("images.pull");
  });

  test("a command that fails or is interrupted takes the VM along", async () => {
    const failed = await run(["nginx"], async () => {
      throw new EmberError("guest-unreachable", "it is gone");
    });
    expect(failed.result).toMatchObject({ status: 1, stderr: "error: it is gone\n" });
    expect(failed.deleted).toHaveLength(1);
    let controls: Controls | undefined;
    const interrupted = await run(
      ["nginx"],
      async () => {
        controls?.interruption.receive("SIGINT");
        throw new EmberError("interrupted", "interrupted");
      },
      {
        onStart: (given) => {
          controls = given;
        },
      },
    );
    expect(interrupted.result.status).toBe(130);
    expect(interrupted.deleted).toHaveLength(1);
  });

  test("--keep leaves the VM, also after a failure", async () => {
    const kept = await run(["nginx", "--name", "job", "--keep"]);
    expect(kept.created).toMatchObject({ ephemeral: false });
    expect(kept.deleted).toEqual([]);
    expect(kept.result.stderr).toBe("kept job, which is running\n");
    const failed = await run(["nginx", "--keep"], async () => {
      throw new EmberError("timeout", "too long");
    });
    expect(failed.deleted).toEqual([]);
  });

  test("-d leaves it running as the VM's own process, and prints its name", async () => {
    const ran = await run(["-d", "--name", "job", "nginx", "--", "sleep", "9"]);
    expect(ran.result).toMatchObject({ status: 0, stdout: "job\n", stderr: "" });
    expect(ran.created).toMatchObject({ name: "job", onExit: "poweroff", command: ["sleep", "9"] });
    expect(ran.executed).toEqual([]);
    expect(ran.deleted).toEqual([]);
    expect((await run(["-d", "nginx"])).created).not.toHaveProperty("command");
  });
});

test("an invented name is a VM name that tells the image, and differs each time", () => {
  const images = [
    "docker.io/library/nginx:latest",
    "ghcr.io/Acme/My_App@sha256:00",
    "oci:./x",
    "---",
    "x".repeat(200),
  ];
  for (const image of images) expect(inventName(image)).toMatch(/^[a-z0-9][a-z0-9-]{0,62}$/);
  expect(inventName("docker.io/library/nginx:latest")).toStartWith("nginx-");
  expect(inventName("nginx")).not.toBe(inventName("nginx"));
});
