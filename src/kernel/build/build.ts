import { mkdir, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { ensurePrivateFolder } from "../../host/files.ts";
import type { TaskOptions } from "../../types.ts";
import { recogniseKernel } from "../format/recognise.ts";
import { installKernel, type NewKernel, refuseTaken } from "../install.ts";
import { nameFromFile } from "../names.ts";
import { builtInRoots } from "../roots.ts";
import { type Kernel, type KernelPlaces, scratchFolder } from "../store.ts";
import { type Build, compile, configure, kernelRelease } from "./compile.ts";
import { debianSource } from "./debian-source.ts";
import { openLog } from "./log.ts";
import { writeOutput } from "./output.ts";
import { type BuildKernelRequest, type Plan, planOf } from "./plan.ts";
import { type KernelSource, refuseLittleSpace } from "./source.ts";
import { tarballSource } from "./tarball-source.ts";
import { choosePlace } from "./where.ts";

/** Around the steps that must not run beside another command on kernels. */
export type Alone = <T>(body: () => Promise<T>) => Promise<T>;

/** Compiled, and looked at. */
export interface BuiltKernel {
  readonly made: NewKernel;
  /** Where it was taken in; undefined when it went to a file. */
  readonly kernel: Kernel | undefined;
}

/**
 * Builds a kernel from its source. What can be refused is refused before anything is fetched. Post-condition: the kernel is
 * there, or nothing has changed but the caches and the log; what a killed build leaves is removed by `sweepKernels`.
 * Throws `usage`, `invalid-name`, `invalid-config`, `kernel-exists`, `file-not-found`, `tool-missing`, `unsupported`,
 * `disk-full`, `build-failed`, `interrupted`, and what fetching and verifying the source throws.
 */
export async function buildKernel(
  places: KernelPlaces,
  request: BuildKernelRequest,
  alone: Alone,
  task: TaskOptions = {},
): Promise<BuiltKernel> {
  const plan = await planOf(places, request);
  const place = await choosePlace(plan.arch, request.container, places.kernelsDir, task.signal);
  ensurePrivateFolder(places.kernelsDir);
  await refuseLittleSpace(places.kernelsDir);
  const label = plan.name ?? "microvm";
  const workplace = scratchFolder(places, "new", label);
  using log = openLog(join(places.cacheDir, "build", `${label}.log`));
  try {
    await mkdir(workplace, { mode: 0o700 });
    await using workshop = await place.open(workplace, log, task);
    const source = await alone(() => obtain(places, request, workplace, task));
    task.onProgress?.({ step: "unpacking the source" });
    await workshop.unpack(source.tarball, task);
    const build = { workshop, toolchain: place.toolchain, log };
    const { made, content } = await make(build, { ...plan, places, request, source }, task);
    task.onProgress?.({ step: "taking the kernel in" });
    if (request.output !== undefined) {
      await writeOutput(content, request.output);
      return { made, kernel: undefined };
    }
    return { made, kernel: await alone(() => installKernel(places, made, { replace: false })) };
  } finally {
    await rm(workplace, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function obtain(
  places: KernelPlaces,
  request: BuildKernelRequest,
  workplace: string,
  task: TaskOptions,
): Promise<KernelSource> {
  if (request.source !== undefined) return await tarballSource(request.source, workplace, task);
  return await debianSource(places.cacheDir, workplace, request.from ?? {}, task);
}

/** Configures, compiles and looks at what came of it. `content` is the file as it was made. */
async function make(
  build: Build,
  plan: Plan & { places: KernelPlaces; request: BuildKernelRequest; source: KernelSource },
  task: TaskOptions,
): Promise<{ readonly made: NewKernel; readonly content: Buffer }> {
  const config = await configure(build, plan.configuration, task);
  const name = plan.name ?? nameFromFile(`microvm-${await kernelRelease(build, task)}`);
  // Said now, and not after minutes of compiling.
  if (plan.request.output === undefined) refuseTaken(join(plan.places.kernelsDir, name), name);
  const content = await compile(build, plan.format, plan.request.jobs ?? availableParallelism(), task);
  const kernel = await recogniseKernel(content, task.signal);
  if (kernel.arch !== plan.arch)
    throw new EmberError("kernel-invalid", `the build made a kernel for ${kernel.arch}, not ${plan.arch}`);
  const { description, sha256 } = plan.source;
  const source = `built from ${description}`;
  const roots = builtInRoots(config.toString("latin1"));
  const made = { name, kernel, archive: undefined, roots, config, source, sourceSha256: sha256 };
  return { made, content };
}
