import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { findTool } from "../../host/tools.ts";
import type { Archive } from "../../kernel/debian/archives.ts";
import type { TaskOptions } from "../../types.ts";
import { removeTree } from "../workplace.ts";
import type { Distribution } from "./distribution.ts";
import { finishing, leftOut, packages } from "./recipe.ts";

export interface BootstrapRequest {
  readonly distribution: Distribution;
  readonly suite: string;
  readonly architecture: string;
  readonly archives: readonly Archive[];
  readonly keyringPath: string;
  /** The time of what has no other, in seconds since 1970. */
  readonly timestampSeconds: number;
}

/** A slow mirror, under emulation. */
const timeLimitMs = 2 * 3600 * 1000;

/** Hooks for the links of a merged /usr, which newer versions have no need of. */
const mergedUsrHooks = "/usr/share/mmdebstrap/hooks/merged-usr";

/**
 * Makes the tar archive `target` of a new system. `folder` takes the files on the way, all gone in the end. Post-condition:
 * the archive is there whole, or an error is thrown and no process and no mount is left. Throws `tool-missing`,
 * `download-failed`, `verification-failed`, `permission-denied`, `disk-full`, `timeout`, `interrupted`.
 */
export async function mmdebstrap(
  request: BootstrapRequest,
  target: string,
  folder: string,
  task: TaskOptions,
): Promise<void> {
  findTool("mmdebstrap");
  const temporary = join(folder, "tmp");
  await mkdir(temporary, { mode: 0o755 });
  const output = new Output(task);
  const [tool, args] = isolated(argumentsFor(request, target));
  try {
    await run(tool, args, {
      contained: true,
      timeoutMs: timeLimitMs,
      signal: task.signal,
      env: { TMPDIR: temporary, SOURCE_DATE_EPOCH: String(request.timestampSeconds) },
      onStdout: () => undefined,
      onStderr: (chunk) => output.add(chunk),
    });
  } catch (error) {
    if (!(error instanceof EmberError)) throw error;
    if (error.code === "tool-failed" || error.code === "disk-full")
      throw explain(output.text, request.distribution, error);
    if (error.code === "interrupted") {
      throw new EmberError("interrupted", `making ${request.distribution.title} was interrupted`, {
        cause: error,
      });
    }
    throw error;
  } finally {
    await removeTree(temporary);
  }
}

function argumentsFor(request: BootstrapRequest, target: string): string[] {
  const { distribution } = request;
  const merging = mergingOf(distribution);
  return [
    "--mode=root",
    "--variant=apt",
    "--format=tar",
    `--architectures=${request.architecture}`,
    `--keyring=${request.keyringPath}`,
    `--include=${[...packages, ...(merging?.packages ?? [])].join(",")}`,
    ...(merging === undefined ? [] : [merging.hook]),
    '--aptopt=Acquire::Languages "none"',
    // The tree is thrown away when anything goes wrong: nothing in it need survive power loss.
    "--dpkgopt=force-unsafe-io",
    ...leftOut.map((option) => `--dpkgopt=${option}`),
    `--customize-hook=${finishing(distribution)}`,
    request.suite,
    target,
    ...request.archives.map(({ uri, suite }) => `deb ${uri} ${suite} ${distribution.components.join(" ")}`),
  ];
}

/** The links are made before the first package is there; the package keeps others from merging what is merged. */
function mergingOf({
  mergedUsrPackage: name,
}: Distribution): { readonly hook: string; readonly packages: readonly string[] } | undefined {
  if (!existsSync(mergedUsrHooks)) return undefined;
  if (name === undefined) return { hook: `--setup-hook=${mergedUsrHooks}/setup00.sh`, packages: [] };
  return { hook: `--hook-dir=${mergedUsrHooks}`, packages: [name] };
}

const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * In a process namespace of its own: when its first process is killed, the kernel kills all others, and their mounts,
 * which nobody else sees, go with them. Without root, in a user namespace too, where this user is root and the
 * packages' users are from the user's range (subuid(5)); entering it drops the signal that the parent's death is to send.
 */
function isolated(args: readonly string[]): readonly [string, readonly string[]] {
  const inside = ["--pid", "--fork", "--kill-child", "--mount-proc", "--", findTool("mmdebstrap"), ...args];
  if (isRoot()) return ["unshare", inside];
  const user = ["--map-root-user", "--map-auto", "--", "setpriv", "--pdeathsig", "KILL", "--"];
  return ["unshare", [...user, "unshare", ...inside]];
}

/** The steps that mmdebstrap speaks of, in words for people. */
const steps: readonly (readonly [RegExp, string])[] = [
  [/^I: running apt-get update/, "reading the lists of packages"],
  [/^I: downloading packages/, "downloading packages"],
  [/^I: extracting archives/, "unpacking packages"],
  [/^I: installing/, "setting packages up"],
  [/^I: creating tarball/, "packing the file system"],
];

const keptCharacters = 16_384;

class Output {
  text = "";
  readonly #task: TaskOptions;

  constructor(task: TaskOptions) {
    this.#task = task;
  }

  add(chunk: Buffer): void {
    const added = chunk.toString("utf8");
    this.text = (this.text + added).slice(-keptCharacters);
    for (const line of added.split("\n")) {
      const step = steps.find(([sign]) => sign.test(line))?.[1];
      if (step !== undefined) this.#task.onProgress?.({ step });
    }
  }
}

/** What apt says of every archive, and that something failed without what it was. */
const noise =
  /stored in legacy trusted\.gpg|unsandboxed as root|^E: (apt-get \S+ .* failed|mmdebstrap failed to run)$/;

/** What mmdebstrap and apt say went wrong, as an error with a remedy. */
function explain(output: string, { title, keyringPackage }: Distribution, cause: EmberError): EmberError {
  const lines = output.trim().split("\n");
  const complaints = lines.filter((line) => /^(E|W|Err)[:0-9]/.test(line.trim()) && !noise.test(line));
  const detail = (complaints.length > 0 ? complaints : lines)
    .slice(-4)
    .join("; ")
    .replace(/\p{Cc}/gu, "?")
    .slice(-500);
  if (/newuidmap|newgidmap|subuid|subgid|unshare.*(fail|not permitted)|user namespace/i.test(output)) {
    return new EmberError("permission-denied", `this user may not make ${title} here: ${detail}`, {
      hint: "run as root; or install 'uidmap', give this user a range in /etc/subuid and /etc/subgid, and allow user namespaces",
      cause,
    });
  }
  if (/no space left on device/i.test(output)) {
    return new EmberError("disk-full", `there is no space left for the packages: ${detail}`, {
      hint: "free some space, then try again",
      cause,
    });
  }
  if (/NO_PUBKEY|is not signed|GPG error|invalid signature|Hash Sum mismatch/i.test(output)) {
    return new EmberError("verification-failed", `the packages cannot be trusted: ${detail}`, {
      hint: `use another mirror, or bring the package ${keyringPackage} up to date`,
      cause,
    });
  }
  if (
    /Failed to fetch|Could not (resolve|connect)|Temporary failure|Connection (refused|failed|timed out)|404 +Not Found/i.test(
      output,
    )
  ) {
    return new EmberError("download-failed", `the packages cannot be fetched: ${detail}`, {
      hint: "check the network and this host's mirror (/etc/apt), then try again",
      cause,
    });
  }
  return new EmberError("tool-failed", `mmdebstrap failed: ${detail}`, { cause });
}
