import type { Readable } from "node:stream";
import { EmberError } from "../../errors/ember-error.ts";
import type { TaskOptions } from "../../types.ts";

/** How a tool is run that compiles. */
export interface StepOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onStdout: (chunk: Buffer) => void;
  readonly onStderr: (chunk: Buffer) => void;
}

/**
 * Where a kernel is compiled. It has two folders: `src` with the unpacked source, and `out`, empty at first. When it is disposed
 * of, nothing of it is left that runs or takes up space, but for what lies in the folder of the build.
 */
export interface Workshop extends AsyncDisposable {
  /** Unpacks a verified source, and removes its archive. Throws `tool-failed`, `disk-full`, `interrupted`. */
  unpack(tarball: string, task: TaskOptions): Promise<void>;
  /** Writes a small new file beside the folders. */
  write(name: string, text: string): Promise<void>;
  /** Content of a file, by its path from where the folders are. Throws `build-failed` for one that is not there. */
  read(path: string, limitBytes: number): Promise<Buffer>;
  /** Runs a tool in `src`. Throws `tool-failed`, `timeout`, `interrupted`. */
  run(tool: string, args: readonly string[], options: StepOptions): Promise<void>;
}

/** How the archive of a source is unpacked, by GNU tar. */
export const unpackArguments: readonly string[] = [
  "--extract",
  "--strip-components=1",
  "--no-same-owner",
  "--no-same-permissions",
];

/** A whole stream. Throws `build-failed` when it has more than that many bytes. */
export async function readAtMost(stream: Readable, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes: Buffer = chunk;
    size += bytes.length;
    if (size > limitBytes)
      throw new EmberError("build-failed", "the build made a file that is too large for a kernel");
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

export function notMade(path: string): EmberError {
  return new EmberError("build-failed", `the build went through without making '${path}'`, {
    hint: "the source is not that of a Linux kernel, or of one that is too old or too new",
  });
}
