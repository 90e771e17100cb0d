import { buildsKernels, installHint } from "#platform";
import { EmberError } from "../../errors/ember-error.ts";
import { type GuestArchitecture, hostArchitecture } from "../../guest/binary/architecture.ts";
import { lookUpTool } from "../../host/tools.ts";
import type { TaskOptions } from "../../types.ts";
import { toolchainImage } from "./container/image.ts";
import { type ContainerRuntime, findRuntime, runtimes } from "./container/runtimes.ts";
import { containerWorkshop } from "./container/workshop.ts";
import { hostWorkshop, refuseUnusable } from "./host-workshop.ts";
import type { BuildLog } from "./log.ts";
import { findToolchain, type Toolchain, toolchainFor } from "./toolchain.ts";
import type { Workshop } from "./workshop.ts";

/** A container to build in. */
export interface ContainerRequest {
  /** "podman", "buildah" or "docker". Default: the first that is installed. */
  readonly runtime?: string | undefined;
  /** An image with the tools. Default: one that is made of Debian's packages. */
  readonly image?: string | undefined;
}

/** What will compile, and where. */
export interface BuildPlace {
  readonly toolchain: Toolchain;
  /** `workplace` is the private folder of the build. Throws `build-failed`, `tool-failed`, `interrupted`. */
  open(workplace: string, log: BuildLog, task: TaskOptions): Promise<Workshop>;
}

/**
 * This host, or a container where that is asked for or where the host's file system cannot hold the sources. Everything that is
 * missing is told at once. Throws `tool-missing`, `usage`, `unsupported`.
 */
export async function choosePlace(
  arch: GuestArchitecture,
  container: ContainerRequest | undefined,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<BuildPlace> {
  if (container !== undefined || !buildsKernels) return inContainer(arch, container ?? {});
  const toolchain = await findToolchain(arch, signal);
  refuseUnusable(folder);
  return { toolchain, open: async (workplace) => hostWorkshop(workplace) };
}

function inContainer(arch: GuestArchitecture, request: ContainerRequest): BuildPlace {
  const runtime = runtimeFor(request.runtime);
  return {
    toolchain: toolchainFor(arch, hostArchitecture()),
    async open(workplace, log, task) {
      const image = request.image ?? (await toolchainImage(runtime, arch, { workplace, log }, task));
      return await containerWorkshop(runtime, image, workplace, task.signal);
    },
  };
}

function runtimeFor(name: string | undefined): ContainerRuntime {
  const runtime = findRuntime(name);
  if (runtime !== undefined && lookUpTool(runtime.name) !== undefined) return runtime;
  const known = runtimes.map((each) => each.name).join(", ");
  if (name !== undefined && runtime === undefined)
    throw new EmberError("usage", "there is no such program for containers", {
      hint: `choose one of: ${known}`,
    });
  const hint = installHint(name ?? "podman");
  throw new EmberError("tool-missing", `building in a container needs ${name ?? `one of ${known}`}`, {
    hint,
  });
}
