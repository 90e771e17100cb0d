import { connect } from "node:net";

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** How long one request may take; only a guest's start does real work. */
const limitMs = 10_000;
const answerLimitBytes = 1024 * 1024;

/**
 * One request of HTTP/1.1 over a Unix socket, as much of it as Firecracker's server speaks: no chunks, and a length where
 * there is a body. (The runtime's client takes longer to warm up than all requests of a start take this way.)
 * Rejects with a reason when the answer is none, comes late or not at all, and when `signal` is aborted.
 */
export function exchange(
  socketPath: string,
  request: { readonly method: string; readonly path: string; readonly body?: object | undefined },
  signal?: AbortSignal,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const socket = connect(socketPath);
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      end(); // what comes later changes nothing
      socket.destroy();
    };
    const fail = (why: string): void => settle(() => reject(new Error(why)));
    const onAbort = (): void => fail("it was interrupted");
    const timer = setTimeout(() => fail(`no answer within ${limitMs / 1000} s`), limitMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    socket.on("error", (error) => fail(error.message));
    socket.on("close", () => fail("the connection was closed"));
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > answerLimitBytes) return fail("the answer has no end");
      try {
        const answer = parseAnswer(Buffer.concat(chunks).toString("latin1"));
        if (answer !== undefined) settle(() => resolve(answer));
      } catch (error) {
        fail(error instanceof Error ? error.message : String(error));
      }
    });
    socket.write(render(request));
  });
}

function render({ method, path, body }: { method: string; path: string; body?: object | undefined }): string {
  const content = body === undefined ? "" : JSON.stringify(body);
  const about = content === "" ? "" : "Content-Type: application/json\r\n";
  const length = content === "" ? "" : `Content-Length: ${Buffer.byteLength(content)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n${about}${length}\r\n${content}`;
}

/** Undefined as long as something is missing. Throws for what is no answer. */
export function parseAnswer(received: string): HttpAnswer | undefined {
  const end = received.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const [first = "", ...headers] = received.slice(0, end).split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1];
  if (status === undefined) throw new Error("the answer is not of HTTP");
  const lengths = headers.flatMap((header) => /^content-length: *(\d{1,9})$/i.exec(header)?.[1] ?? []);
  const length = Number(lengths[0] ?? 0);
  const content = received.slice(end + 4);
  if (content.length < length) return undefined;
  return { status: Number(status), text: Buffer.from(content.slice(0, length), "latin1").toString("utf8") };
}
