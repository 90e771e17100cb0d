/** Told while something takes long. `done` and `total` are bytes, or with `unit` "items" a number of things. */
export interface Progress {
  readonly step: string;
  readonly done?: number;
  readonly total?: number;
  readonly unit?: "bytes" | "items";
  /** What it consists of, where several things go on at once: the layers of an image, in their order. */
  readonly parts?: readonly ProgressPart[];
}

/** In the unit of the whole. */
export interface ProgressPart {
  readonly name: string;
  readonly done: number;
  readonly total: number;
}

/** Handed to everything that may take long. */
export interface TaskOptions {
  /** Aborting undoes what was begun and throws `interrupted`. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface ExecOptions {
  readonly user?: string;
  readonly workdir?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Give the command a terminal of this size. */
  readonly terminal?: { readonly columns: number; readonly rows: number; readonly type: string };
  /** Told the terminal's new size. */
  readonly onResize?: (listener: (size: { columns: number; rows: number }) => void) => () => void;
  /** Standard input; default empty. */
  readonly stdin?: NodeJS.ReadableStream | string | Uint8Array;
  readonly stdout?: NodeJS.WritableStream;
  readonly stderr?: NodeJS.WritableStream;
  /** Leave it running and return at once. */
  readonly detach?: boolean;
  /** The command is killed and `timeout` is thrown when it takes longer. Default: no limit. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ExecResult {
  /** The command's own exit status; 128 + n when signal n killed it. */
  readonly exitStatus: number;
  /** What it printed, unless `stdout`/`stderr` were given. */
  readonly stdout: string;
  readonly stderr: string;
  /** Process id in the guest, for a detached command. */
  readonly pid?: number;
}
