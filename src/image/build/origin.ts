import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { firstImageCommand, installHint } from "#platform";
import { EmberError } from "../../errors/ember-error.ts";
import { hostArchitecture } from "../../guest/binary/architecture.ts";
import { byteLines } from "../../host/byte-lines.ts";
import { run } from "../../host/run.ts";
import { lookUpTool } from "../../host/tools.ts";
import type { TaskOptions } from "../../types.ts";
import { readLayout } from "../oci/layout.ts";
import { parsePlatform } from "../oci/platform.ts";
import type { FetchedImage, ImageOrigin } from "../origins/origin.ts";
import { shown } from "../reference.ts";
import { type Builder, builders, dockerfileName, findBuilder } from "./builders.ts";
import { developerDockerfile, developerNotice, developerSource } from "./developer.ts";

export interface BuildRequest {
  /** Folder whose files the Dockerfile may copy. */
  readonly context: string;
  /** Default: Dockerfile or Containerfile in the context. */
  readonly file?: string | undefined;
  /** Builds the developer image, without the context, when the context has neither. Ignored beside `file`. */
  readonly orDeveloper?: boolean | undefined;
  /** "buildah", "podman" or "docker". Default: the first that is installed. */
  readonly builder?: string | undefined;
}

const longestReason = 200;
/** Hours, not days: a build that asks somebody something never ends. */
const buildLimitMs = 6 * 3600 * 1000;

/**
 * An image that is built from a Dockerfile. What the builder has is read layer by layer: no archive of it is made in
 * between. Throws `file-not-found` and `tool-missing` before anything is begun; `fetch` throws `build-failed` with the
 * step and what it said.
 */
export function buildOrigin(request: BuildRequest, notice: (line: string) => void): ImageOrigin {
  const context = resolve(request.context);
  if (statSync(context, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new EmberError("file-not-found", `there is no folder '${shown(context)}' to build in`);
  const file = dockerfileOf(context, request);
  const builder = builderFor(request.builder);
  if (file === undefined) notice(developerNotice);
  return {
    source: file === undefined ? developerSource : `build:${file}`,
    event: "image.built",
    identify: async () => undefined, // only the builder can tell
    fetch: async (folder, task) => await build({ builder, context, file, folder }, task),
  };
}

/** Undefined for the developer image. */
function dockerfileOf(context: string, { file: named, orDeveloper }: BuildRequest): string | undefined {
  if (named !== undefined) {
    if (existsSync(named)) return resolve(named);
    throw new EmberError("file-not-found", `there is no Dockerfile '${shown(named)}'`);
  }
  const found = ["Dockerfile", "Containerfile"]
    .map((name) => join(context, name))
    .find((path) => existsSync(path));
  if (found !== undefined || orDeveloper === true) return found;
  throw new EmberError(
    "file-not-found",
    `there is no Dockerfile and no Containerfile in '${shown(context)}'`,
    {
      hint: `name one with --file, or make an image without: ${firstImageCommand}`,
    },
  );
}

function builderFor(name: string | undefined): Builder {
  const builder = findBuilder(name);
  if (builder !== undefined && lookUpTool(builder.name) !== undefined) return builder;
  if (name !== undefined && builder === undefined) {
    throw new EmberError("usage", `there is no builder '${shown(name)}'`, {
      hint: `choose one of: ${builders.map((known) => known.name).join(", ")}`,
    });
  }
  const wanted =
    name === undefined ? "none of buildah, podman and docker is installed" : `'${name}' is not installed`;
  throw new EmberError("tool-missing", wanted, { hint: installHint(name ?? "buildah") });
}

interface Work {
  readonly builder: Builder;
  readonly context: string;
  /** Undefined for the developer image. */
  readonly file: string | undefined;
  readonly folder: string;
}

async function build(work: Work, task: TaskOptions): Promise<FetchedImage> {
  const { builder, folder } = work;
  const idFile = join(folder, "id");
  const architecture = hostArchitecture();
  const context = prepare(work);
  await runStep(builder.name, builder.build({ context, idFile, architecture }), folder, task);
  const id = readFileSync(idFile, "utf8").trim();
  task.onProgress?.({ step: "taking the image over" });
  const [tool, ...args] = builder.hand(id);
  await runStep(tool, args, folder, task);
  const what = `what ${builder.name} built`;
  return await readLayout({
    folder: join(folder, "layout"),
    tag: "image",
    platform: parsePlatform(undefined),
    what,
  });
}

/** Puts the Dockerfile where the builder reads it, and returns the context. The developer image has an empty one. */
function prepare({ context, file, folder }: Work): string {
  const dockerfile = join(folder, dockerfileName);
  if (file !== undefined) {
    copyFileSync(file, dockerfile);
    return context;
  }
  writeFileSync(dockerfile, developerDockerfile);
  const empty = join(folder, "context");
  mkdirSync(empty);
  return empty;
}

/** Throws `build-failed` with the last step that was begun, and the last line of what the builder said. */
async function runStep(
  tool: string,
  args: readonly string[],
  folder: string,
  task: TaskOptions,
): Promise<void> {
  let step = "";
  const lines = (): ((chunk: Buffer) => void) =>
    byteLines((bytes, start, end) => {
      const line = bytes.toString("utf8", start, end).trim();
      const begun = /^(?:STEP \d+(?:\/\d+)?: |Step \d+\/\d+ : |#\d+ \[\d+\/\d+\] )(.*)$/.exec(line)?.[1];
      if (begun === undefined) return;
      step = shown(begun);
      task.onProgress?.({ step });
    }).write;
  try {
    await run(tool, args, {
      cwd: folder,
      timeoutMs: buildLimitMs,
      signal: task.signal,
      contained: true,
      onStdout: lines(),
      onStderr: lines(),
    });
  } catch (error) {
    if (!(error instanceof EmberError) || error.code !== "tool-failed") throw error;
    const where = step === "" ? "" : ` at '${step}'`;
    throw new EmberError("build-failed", `the image was not built${where}: ${lastLine(error.message)}`, {
      hint: `see all of it: ${tool} ${args.slice(0, 1).join(" ")} with the same Dockerfile`,
      cause: error,
    });
  }
}

/** The builder's own reason comes last in what it printed, which follows the command in the message. */
function lastLine(message: string): string {
  const printed = /failed \([^)]*\): ([\s\S]*)$/.exec(message)?.[1] ?? message;
  const line = (printed.trim().split("\n").at(-1) ?? "").replace(/^Error: /, "").replace(/\p{Cc}/gu, "?");
  // Of a long line the end: it begins by repeating the step.
  return line.length > longestReason ? `...${line.slice(-longestReason)}` : line;
}
