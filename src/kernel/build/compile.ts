import { EmberError } from "../../errors/ember-error.ts";
import { byteLines } from "../../host/byte-lines.ts";
import type { TaskOptions } from "../../types.ts";
import { kernelLimitBytes } from "../format/unpack.ts";
import { type Configuration, missingOptions } from "./config.ts";
import { type BuildLog, logTail } from "./log.ts";
import type { Toolchain } from "./toolchain.ts";
import type { Workshop } from "./workshop.ts";

/** What the file is that a build makes. */
export type BuildFormat = "vmlinux" | "bzimage" | "image";

export interface Build {
  readonly workshop: Workshop;
  readonly toolchain: Toolchain;
  readonly log: BuildLog;
}

const files: Readonly<Record<BuildFormat, { readonly target: string; readonly path: string }>> = {
  vmlinux: { target: "vmlinux", path: "vmlinux" },
  bzimage: { target: "bzImage", path: "arch/x86/boot/bzImage" },
  image: { target: "Image", path: "arch/arm64/boot/Image" },
};

/** Half a day: emulated and slow machines take hours. */
const buildLimitMs = 12 * 3600 * 1000;
const configLimitBytes = 8 * 1024 ** 2;

/**
 * Makes the .config: everything is off but what the fragments say, and what that needs. Returns it. Throws `invalid-config`
 * naming the options that did not get into it, `build-failed`, `interrupted`.
 */
export async function configure(build: Build, wish: Configuration, task: TaskOptions): Promise<Buffer> {
  task.onProgress?.({ step: "configuring" });
  await build.workshop.write("ember.config", wish.text);
  // -n: what no fragment names is off. Relative, since the script does not quote.
  const merge = ["scripts/kconfig/merge_config.sh", "-n", "-O", "../out", "../ember.config"];
  await runStep(build, "sh", merge, task);
  await runStep(build, "make", makeArguments(build, ["olddefconfig"]), task);
  const config = await build.workshop.read("out/.config", configLimitBytes);
  const missing = missingOptions(wish.required, config.toString("utf8"));
  if (missing.length === 0) return config;
  throw new EmberError("invalid-config", `this source does not take these options: ${missing.join(", ")}`, {
    hint: "they may have another name in this version, or need others: see the Kconfig files of the source",
  });
}

/** "6.1.192": what `uname -r` will say. Throws `build-failed`, `interrupted`. */
export async function kernelRelease(build: Build, task: TaskOptions): Promise<string> {
  const printed = await runStep(build, "make", makeArguments(build, ["-s", "kernelrelease"]), task);
  return printed.trim().split("\n").at(-1) ?? "";
}

/** Compiles, and returns the kernel's content. Throws `build-failed` with the end of what was said, `disk-full`, `interrupted`. */
export async function compile(
  build: Build,
  format: BuildFormat,
  jobs: number,
  task: TaskOptions,
): Promise<Buffer> {
  const { target, path } = files[format];
  const onLine = (line: string): void => {
    const file = /^ +[A-Z0-9]+ +([A-Za-z0-9_./-]{1,200})$/.exec(line)?.[1];
    if (file !== undefined) task.onProgress?.({ step: `compiling ${file}` });
  };
  task.onProgress?.({ step: "compiling" });
  await runStep(build, "make", makeArguments(build, [`-j${jobs}`, target]), task, onLine);
  // Symbols for debuggers make up half of it; the kernel has its own table for what it prints.
  const stripped = ["-s", "-o", "../out/stripped", `../out/${path}`];
  if (format === "vmlinux") await runStep(build, `${build.toolchain.prefix}strip`, stripped, task);
  return await build.workshop.read(format === "vmlinux" ? "out/stripped" : `out/${path}`, kernelLimitBytes);
}

const makeArguments = ({ toolchain }: Build, args: readonly string[]): string[] => [
  ...["O=../out", `ARCH=${toolchain.kernelArch}`, `CROSS_COMPILE=${toolchain.prefix}`],
  ...args,
];

async function runStep(
  { workshop, toolchain, log }: Build,
  tool: string,
  args: readonly string[],
  task: TaskOptions,
  onLine: (line: string) => void = () => undefined,
): Promise<string> {
  const lines = byteLines((bytes, start, end) => onLine(bytes.toString("utf8", start, end)));
  let printed = "";
  const keep = (chunk: Buffer): void => {
    log.write(chunk);
    lines.write(chunk);
    printed = (printed + chunk.toString("utf8")).slice(-4096);
  };
  try {
    await workshop.run(tool, args, {
      // Whose machine it was built on is nobody's business; the script that merges fragments reads the first two.
      env: {
        ARCH: toolchain.kernelArch,
        CROSS_COMPILE: toolchain.prefix,
        KBUILD_BUILD_USER: "ember",
        KBUILD_BUILD_HOST: "ember",
      },
      timeoutMs: buildLimitMs,
      signal: task.signal,
      onStdout: keep,
      onStderr: (chunk) => log.write(chunk),
    });
    return printed;
  } catch (error) {
    if (!(error instanceof EmberError) || error.code !== "tool-failed") throw error;
    throw new EmberError("build-failed", `the kernel was not built: '${tool}' failed\n${logTail(log)}`, {
      hint: `all that was printed is in ${log.path}`,
      cause: error,
    });
  }
}
