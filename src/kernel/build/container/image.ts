import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EmberError } from "../../../errors/ember-error.ts";
import { type GuestArchitecture, hostArchitecture } from "../../../guest/binary/architecture.ts";
import { run } from "../../../host/run.ts";
import { builders, dockerfileName } from "../../../image/build/builders.ts";
import type { TaskOptions } from "../../../types.ts";
import { type BuildLog, logTail } from "../log.ts";
import type { ContainerRuntime } from "./runtimes.ts";

const packages = ["gcc", "libc6-dev", "make", "binutils", "flex", "bison", "bc", "perl", "libelf-dev"];
const cross: Readonly<Record<GuestArchitecture, readonly string[]>> = {
  amd64: ["gcc-x86-64-linux-gnu", "binutils-x86-64-linux-gnu"],
  arm64: ["gcc-aarch64-linux-gnu", "binutils-aarch64-linux-gnu"],
};

function dockerfile(arch: GuestArchitecture): string {
  const names = [...packages, ...(arch === hostArchitecture() ? [] : cross[arch])].join(" ");
  return `FROM docker.io/library/debian:trixie-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ${names} && rm -rf /var/lib/apt/lists/*
`;
}

/**
 * The id of an image with all that compiles a kernel. The program keeps its layers, so only the first time takes long.
 * Throws `build-failed`, `interrupted`.
 */
export async function toolchainImage(
  { name }: ContainerRuntime,
  arch: GuestArchitecture,
  { workplace, log }: { readonly workplace: string; readonly log: BuildLog },
  task: TaskOptions,
): Promise<string> {
  task.onProgress?.({ step: "preparing the container" });
  const builder = builders.find((candidate) => candidate.name === name);
  if (builder === undefined) throw new EmberError("internal", `${name} builds no images`);
  const folder = join(workplace, "image");
  const context = join(folder, "context");
  await mkdir(context, { mode: 0o700, recursive: true });
  await writeFile(join(folder, dockerfileName), dockerfile(arch));
  const idFile = join(folder, "id");
  const args = builder.build({ context, idFile, architecture: hostArchitecture() });
  const write = (chunk: Buffer): void => log.write(chunk);
  const limits = { timeoutMs: 3_600_000, contained: true, signal: task.signal };
  try {
    await run(name, args, { cwd: folder, ...limits, onStdout: write, onStderr: write });
  } catch (error) {
    if (!(error instanceof EmberError) || error.code !== "tool-failed") throw error;
    throw new EmberError("build-failed", `the container's image was not built by ${name}\n${logTail(log)}`, {
      hint: `all that was printed is in ${log.path}; an image of your own can be named with --container-image`,
      cause: error,
    });
  }
  return (await readFile(idFile, "utf8")).trim();
}
