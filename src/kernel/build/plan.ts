import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import { type GuestArchitecture, hostArchitecture } from "../../guest/binary/architecture.ts";
import { refuseTaken } from "../install.ts";
import { checkKernelName } from "../names.ts";
import type { KernelPlaces } from "../store.ts";
import type { BuildFormat } from "./compile.ts";
import { type Configuration, configurationFor } from "./config.ts";
import type { DebianPlaces } from "./debian-source.ts";
import { fileTaken } from "./output.ts";
import { checkTarballRequest, type TarballRequest } from "./tarball-source.ts";
import type { ContainerRequest } from "./where.ts";

export interface BuildKernelRequest {
  /** Default: "microvm-" and the version. */
  readonly name?: string | undefined;
  /** Default: the host's. */
  readonly arch?: GuestArchitecture | undefined;
  /** Default: "bzimage" on x86-64, "image" on arm64. */
  readonly format?: BuildFormat | undefined;
  /** Compilers that run at once. Default: as many as there are processors. */
  readonly jobs?: number | undefined;
  /** File with options of the user's own, which win over ours. */
  readonly config?: string | undefined;
  /** Default: Debian's newest source. */
  readonly source?: TarballRequest | undefined;
  /** A new file that the kernel is written to, in place of it being taken in: for other architectures and machines. */
  readonly output?: string | undefined;
  /** Default: this host's own tools, where it can hold the sources; else a container. */
  readonly container?: ContainerRequest | undefined;
  /** In place of the host's own mirrors and keys. */
  readonly from?: DebianPlaces;
}

/** What a request comes to. */
export interface Plan {
  readonly name: string | undefined;
  readonly arch: GuestArchitecture;
  readonly format: BuildFormat;
  readonly configuration: Configuration;
}

/** Refuses what can be refused before anything is fetched. Throws as `buildKernel` does. */
export async function planOf(places: KernelPlaces, request: BuildKernelRequest): Promise<Plan> {
  const arch = request.arch ?? hostArchitecture();
  const format = request.format ?? (arch === "amd64" ? "bzimage" : "image");
  const usage = (message: string, hint: string): EmberError => new EmberError("usage", message, { hint });
  if ((format === "image") !== (arch === "arm64"))
    throw usage(`a kernel for ${arch} is no '${format}'`, "amd64 has vmlinux and bzimage, arm64 has image");
  if (arch !== hostArchitecture() && request.output === undefined)
    throw usage(
      `guests here cannot boot a kernel for ${arch}`,
      "write it to a file for another host with --output FILE",
    );
  if (request.source !== undefined) checkTarballRequest(request.source);
  if (request.output !== undefined && existsSync(request.output)) throw fileTaken(request.output);
  const name = request.name === undefined ? undefined : checkKernelName(request.name);
  if (name !== undefined) refuseTaken(join(places.kernelsDir, name), name);
  const own =
    request.config === undefined
      ? undefined
      : { path: request.config, text: await readFragment(request.config) };
  return { name, arch, format, configuration: configurationFor(arch, own) };
}

async function readFragment(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    throw new EmberError("file-not-found", `there is no file '${path}'`, { cause: error });
  }
}
