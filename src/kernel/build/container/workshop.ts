import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { EmberError } from "../../../errors/ember-error.ts";
import { randomHex } from "../../../host/random.ts";
import { run, runStreaming } from "../../../host/run.ts";
import { openCompressed } from "../../../image/tar/compressed.ts";
import { notMade, readAtMost, unpackArguments, type Workshop } from "../workshop.ts";
import { noteContainer } from "./leftover.ts";
import type { ContainerRuntime } from "./runtimes.ts";

/** A folder of the container's own: its file system tells names apart by case, whatever the host's does. */
const place = "/ember-kernel";
const unpackLimitMs = 3_600_000;

/**
 * Compiles in a container of an image that has the tools, and GNU's `env` and `tar`. Nothing of the host's is mounted there: the
 * source goes in and the kernel comes out as streams. Throws `tool-failed` when the container cannot be made.
 */
export async function containerWorkshop(
  runtime: ContainerRuntime,
  image: string,
  workplace: string,
  signal: AbortSignal | undefined,
): Promise<Workshop> {
  const container = `ember-kernel-${randomHex(8)}`;
  noteContainer(workplace, runtime.name, container);
  const command = (...words: readonly string[]): readonly string[] => runtime.exec(container, words);
  const remove = async (): Promise<void> => {
    await run(runtime.name, runtime.remove(container), { timeoutMs: 120_000 });
  };
  try {
    await run(runtime.name, runtime.create(container, image), {
      signal,
      timeoutMs: 900_000,
      contained: false,
    });
    await run(runtime.name, command("mkdir", "-p", `${place}/src`, `${place}/out`), { signal });
  } catch (error) {
    await remove().catch(() => undefined); // it may never have been there; the first failure is the one to tell
    throw error;
  }
  return {
    async unpack(tarball, task) {
      const { content } = await openCompressed(createReadStream(tarball), { signal: task.signal });
      const input = Readable.from(content, { objectMode: false });
      const args = command("tar", ...unpackArguments, "--file", "-", "--directory", `${place}/src`);
      await run(runtime.name, args, {
        input,
        signal: task.signal,
        timeoutMs: unpackLimitMs,
        contained: true,
      });
      await rm(tarball, { force: true });
    },
    async write(name, text) {
      await run(runtime.name, command("dd", "status=none", `of=${place}/${name}`), { input: text, signal });
    },
    read: async (path, limitBytes) =>
      await readFrom(runtime.name, command("cat", `${place}/${path}`), path, limitBytes),
    async run(tool, args, { env, ...options }) {
      const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      const words = command("env", "-C", `${place}/src`, ...variables, tool, ...args);
      await run(runtime.name, words, { ...options, contained: true });
    },
    [Symbol.asyncDispose]: remove,
  };
}

async function readFrom(
  tool: string,
  args: readonly string[],
  path: string,
  limitBytes: number,
): Promise<Buffer> {
  const { stdout, done } = runStreaming(tool, args, { timeoutMs: 600_000 });
  const content = await readAtMost(stdout, limitBytes);
  await done.catch((error: unknown) => {
    throw error instanceof EmberError && error.code === "tool-failed" ? notMade(path) : error;
  });
  return content;
}
