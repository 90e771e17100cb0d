import { posix } from "node:path";
import { PassThrough } from "node:stream";
import { EmberError } from "../errors/ember-error.ts";
import type { ExecOptions, TaskOptions } from "../types.ts";
import type { AgentChannel } from "./channel.ts";
import { execInGuest } from "./exec.ts";
import { printable } from "./printable.ts";

/**
 * Unpacks a tar stream into a folder of the guest, which must be there. The guest's own tar does it, for only that
 * restores owners, hard links, devices and extended attributes as the guest's user may.
 * Throws `copy-failed` with what tar said, `file-not-found` when the folder is not there, `guest-unreachable`,
 * `interrupted`.
 */
export async function extractTar(
  agent: AgentChannel,
  tar: NodeJS.ReadableStream,
  guestFolder: string,
  options: TaskOptions = {},
): Promise<void> {
  const counted = new PassThrough();
  const broken = (error: Error): void => {
    counted.destroy(error);
  };
  tar.on("error", broken);
  const told = countBytes(options, "unpacking");
  tar.on("data", told).pipe(counted);
  try {
    const command = ["tar", "-x", "-p", "-f", "-", "-C", guestFolder];
    await runTar(agent, command, { stdin: counted }, options, guestFolder);
  } finally {
    tar.off("error", broken).off("data", told).unpipe(counted);
  }
}

/**
 * Packs a file or folder of the guest into a tar stream, named by the last part of its path; "/." at its end packs
 * what is in the folder. `out` is not ended. Throws as `extractTar` does.
 */
export async function createTar(
  agent: AgentChannel,
  guestPath: string,
  out: NodeJS.WritableStream,
  options: TaskOptions = {},
): Promise<void> {
  const whole = guestPath === "/" || guestPath.endsWith("/.") || guestPath === ".";
  const folder = whole ? guestPath : posix.dirname(guestPath);
  const name = whole ? "." : posix.basename(guestPath);
  const counted = new PassThrough();
  counted.on("data", countBytes(options, "packing"));
  counted.pipe(out, { end: false });
  const broken = (error: Error): void => {
    counted.destroy(error);
  };
  out.on("error", broken);
  try {
    await runTar(
      agent,
      ["tar", "-c", "-f", "-", "-C", folder, "--", name],
      { stdout: counted },
      options,
      guestPath,
    );
    await new Promise<void>((resolve) => counted.once("end", resolve).end());
  } finally {
    out.off("error", broken);
    counted.unpipe(out);
  }
}

/** tar(1) of GNU says so with status 1 of a log that grows: the archive is good, that file is as it was when read. */
const harmless = /file changed as we read it$|socket ignored$/;

async function runTar(
  agent: AgentChannel,
  command: readonly string[],
  streams: Pick<ExecOptions, "stdin" | "stdout">,
  options: TaskOptions,
  path: string,
): Promise<void> {
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const { exitStatus, stderr } = await execInGuest(agent, command, { ...streams, ...signal });
  if (exitStatus === 0) return;
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  if (exitStatus === 1 && lines.length > 0 && lines.every((line) => harmless.test(line.trim()))) return;
  if (exitStatus === 127) {
    throw new EmberError("copy-failed", "the guest has no 'tar', which a tar stream needs", {
      hint: "copy files and folders instead: 'ember cp -r' needs nothing in the guest",
    });
  }
  if (lines.some((line) => /no such file or directory/i.test(line))) {
    throw new EmberError("file-not-found", `'${printable(path)}' is not there in the guest`, {
      hint: printable(lines.join("; ")),
    });
  }
  const why = lines.length === 0 ? `exit status ${exitStatus}` : lines.slice(-3).join("; ");
  throw new EmberError("copy-failed", `tar in the guest failed: ${printable(why)}`);
}

/** Bytes between two reports of progress. */
const reportEveryBytes = 1024 * 1024;

function countBytes(options: TaskOptions, step: string): (chunk: Buffer | string) => void {
  let done = 0;
  let reported = 0;
  return (chunk) => {
    done += chunk.length;
    if (done - reported < reportEveryBytes) return;
    reported = done;
    options.onProgress?.({ step, done });
  };
}
