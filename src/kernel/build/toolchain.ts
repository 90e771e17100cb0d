import { installHint } from "#platform";
import { EmberError } from "../../errors/ember-error.ts";
import { type GuestArchitecture, hostArchitecture } from "../../guest/binary/architecture.ts";
import { run } from "../../host/run.ts";
import { lookUpTool } from "../../host/tools.ts";

/** How the kernel's makefiles are told what to build for. */
export interface Toolchain {
  /** "x86_64", "arm64". */
  readonly kernelArch: string;
  /** Before the names of compiler and linker: "" for the host's own, else "aarch64-linux-gnu-". */
  readonly prefix: string;
}

const kernelArchs: Readonly<Record<GuestArchitecture, string>> = { amd64: "x86_64", arm64: "arm64" };
const prefixes: Readonly<Record<GuestArchitecture, string>> = {
  amd64: "x86_64-linux-gnu-",
  arm64: "aarch64-linux-gnu-",
};

const common = ["make", "gcc", "ld", "flex", "bison", "bc", "perl", "tar", "gzip", "xz", "gpgv", "sh"];

/** What is needed on a machine of that architecture. */
export const toolchainFor = (arch: GuestArchitecture, machine: GuestArchitecture): Toolchain => ({
  kernelArch: kernelArchs[arch],
  prefix: arch === machine ? "" : prefixes[arch],
});

/**
 * What compiles a kernel on this host. Everything that is missing is told at once. Throws `tool-missing`.
 */
export async function findToolchain(arch: GuestArchitecture, signal?: AbortSignal): Promise<Toolchain> {
  const toolchain = toolchainFor(arch, hostArchitecture());
  const { prefix } = toolchain;
  const tools = [
    ...common,
    ...(prefix === "" ? ["strip"] : ["gcc", "ld", "strip"].map((name) => prefix + name)),
  ];
  const missing = tools.filter((name) => lookUpTool(name) === undefined);
  const headers = missing.includes("gcc") ? [] : await missingHeaders(arch, signal);
  if (missing.length + headers.length > 0) {
    const names = [...missing, ...headers];
    throw new EmberError(
      "tool-missing",
      `building a kernel needs what is not installed here: ${names.join(", ")}`,
      {
        hint: `${installHint(...names)}; or build in a container: --container`,
      },
    );
  }
  return toolchain;
}

/** The build's own tools are compiled for the host; for x86-64 one of them reads ELF files. */
async function missingHeaders(
  arch: GuestArchitecture,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const wanted = ["stdlib.h", ...(arch === "amd64" ? ["gelf.h"] : [])];
  const missing: string[] = [];
  for (const header of wanted) {
    const { status } = await run("gcc", ["-x", "c", "-E", "-o", "/dev/null", "-"], {
      input: `#include <${header}>\n`,
      okStatuses: [0, 1],
      signal,
    });
    if (status !== 0) missing.push(header);
  }
  return missing;
}
