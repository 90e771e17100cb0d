import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../errors/ember-error.ts";

/** What a file must be, as a signed list says. */
export interface ExpectedFile {
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Where the bytes of a download go. */
export interface Sink {
  /** How many bytes it holds. */
  readonly received: () => number;
  readonly write: (chunk: Uint8Array) => Promise<void>;
  /** Drops everything: the server begins anew. */
  readonly reset: () => Promise<void>;
}

export interface DownloadLimits {
  /** Times that it is tried in all. Default 4. */
  readonly attempts?: number;
  /** Before the second attempt; twice that before the third, and so on. Default 500 ms. */
  readonly delayMs?: number;
  /** How long a server may send nothing. Default 30 s. */
  readonly idleLimitMs?: number;
}

export interface DownloadOptions {
  readonly limits?: DownloadLimits | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((doneBytes: number) => void) | undefined;
}

/** The size that the download has, or the most that it may have. */
export type DownloadSize = { readonly exactly: number } | { readonly atMost: number };

type Outcome = { readonly kind: "done" } | { readonly kind: "again"; readonly reason: string };

/**
 * Fetches `url` into `sink`; what breaks off is taken up where it ended, when the server can do that. Post-condition: the
 * sink holds a whole answer of a size that is allowed; whether it is the right one is for the caller to check.
 * Throws `download-failed`, `verification-failed` (more bytes than there should be), `interrupted`, the sink's own errors.
 */
export async function download(
  url: string,
  size: DownloadSize,
  sink: Sink,
  options: DownloadOptions = {},
): Promise<void> {
  const { attempts = 4, delayMs = 500 } = options.limits ?? {};
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptDownload(url, size, sink, options);
    if (outcome.kind === "done") return;
    if (attempt === attempts) throw failed(url, outcome.reason);
    await pause(delayMs * 2 ** (attempt - 1), options.signal);
  }
}

async function attemptDownload(
  url: string,
  size: DownloadSize,
  sink: Sink,
  options: DownloadOptions,
): Promise<Outcome> {
  using connection = new Connection(url, options);
  const response = await connection.open(sink.received());
  if (typeof response === "string") return { kind: "again", reason: response };
  const resumed = response.status === 206 && resumesAt(response) === sink.received();
  if (!resumed) await sink.reset();
  if (response.status === 206 && !resumed)
    return { kind: "again", reason: "it sent another part than asked" };
  if (response.status === 416) return { kind: "again", reason: "it has less than it had before" };
  const limit = "exactly" in size ? size.exactly : size.atMost;
  for (;;) {
    const chunk = await connection.read();
    if (typeof chunk === "string") return { kind: "again", reason: chunk };
    if (chunk === undefined) break;
    if (sink.received() + chunk.length > limit) throw tooLarge(url, limit);
    await sink.write(chunk);
    options.onProgress?.(sink.received());
  }
  const missing = "exactly" in size ? size.exactly - sink.received() : 0;
  return missing === 0 ? { kind: "done" } : { kind: "again", reason: `${missing} bytes are missing` };
}

/** One request. Ends when it is disposed of, when nothing comes for too long, or when the caller's signal says so. */
class Connection implements Disposable {
  readonly #url: string;
  readonly #idleLimitMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #stop = new AbortController();
  #reader: { read(): Promise<{ done: boolean; value?: Uint8Array }> } | undefined;

  constructor(url: string, options: DownloadOptions) {
    this.#url = url;
    this.#idleLimitMs = options.limits?.idleLimitMs ?? 30_000;
    this.#signal = options.signal;
  }

  /** The answer's head, or why it is worth another attempt. Throws `download-failed` when it is not. */
  async open(offset: number): Promise<Response | string> {
    const headers = {
      // The hash in the signed list is that of the file as it lies there.
      "accept-encoding": "identity",
      ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
    };
    const response = await this.#guarded(() => fetch(this.#url, { headers, signal: this.#stop.signal }));
    if (typeof response === "string") return response;
    if (this.#url.startsWith("https:") && !response.url.startsWith("https:"))
      throw failed(this.#url, "it leads to an address without encryption");
    const { status } = response;
    if (status === 200 || status === 206 || status === 416) {
      this.#reader = status === 416 ? undefined : response.body?.getReader();
      return response;
    }
    const reason = `the server answered ${status} ${response.statusText}`.trim();
    if (status === 408 || status === 429 || status >= 500) return reason;
    throw failed(this.#url, reason, "the mirror does not have it: use another, or try again later");
  }

  /** The next bytes, undefined at the end, or why it is worth another attempt. */
  async read(): Promise<Uint8Array | undefined | string> {
    const reader = this.#reader;
    if (reader === undefined) return undefined;
    const part = await this.#guarded(() => reader.read());
    return typeof part === "string" ? part : part.value;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  async #guarded<T>(action: () => Promise<T>): Promise<T | string> {
    refuseAborted(this.#signal);
    const onAbort = (): void => this.#stop.abort();
    this.#signal?.addEventListener("abort", onAbort, { once: true });
    let idle = false;
    const timer = setTimeout(() => {
      idle = true;
      this.#stop.abort();
    }, this.#idleLimitMs);
    try {
      return await action();
    } catch (error) {
      refuseAborted(this.#signal);
      return idle ? `nothing came for ${this.#idleLimitMs / 1000} s` : reasonOf(error);
    } finally {
      clearTimeout(timer);
      this.#signal?.removeEventListener("abort", onAbort);
    }
  }
}

/** Node hides what happened to a connection one level down. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== "" ? error.cause.message : error.message;
}

function resumesAt(response: Response): number | undefined {
  const start = /^bytes ([0-9]{1,15})-/.exec(response.headers.get("content-range") ?? "")?.[1];
  return start === undefined ? undefined : Number(start);
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch {
    throw interrupted();
  }
}

function refuseAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw interrupted();
}

const interrupted = (): EmberError => new EmberError("interrupted", "the download was interrupted");

const networkHint =
  "check the network, and the proxy if there is one (http_proxy, https_proxy), then try again";

function failed(url: string, reason: string, hint: string = networkHint): EmberError {
  return new EmberError("download-failed", `'${url}' could not be fetched: ${reason}`, { hint });
}

function tooLarge(url: string, limit: number): EmberError {
  return new EmberError(
    "verification-failed",
    `'${url}' is larger than the ${limit} bytes that it may have`,
    {
      hint: "try again later, or use another mirror",
    },
  );
}
