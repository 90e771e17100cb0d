import { createServer, type Server, type Socket } from "node:net";
import type { Answer } from "./answers.ts";

export interface ApiRequest {
  readonly method: "GET" | "PUT" | "PATCH";
  readonly path: string;
  /** Undefined when there is none: an empty one counts as none. */
  readonly body: Buffer | undefined;
}

/** An answer, or bytes to send as they are, or nothing but the end of the connection. */
export type Outcome = Answer | { readonly raw: string } | "close" | "silence";

const payloadLimit = 51_200;

/**
 * Serves requests over a Unix socket one after another, with the abilities and the failings of micro-http, which
 * Firecracker speaks: no chunked bodies, no reason after the status, no methods but three. Never removes the socket.
 */
export function serveApi(
  path: string,
  handle: (request: ApiRequest) => Promise<Outcome>,
  listening: () => void,
  failed: (error: Error) => void,
): Server {
  let turn: Promise<void> = Promise.resolve();
  const server = createServer((socket) => {
    let received: Buffer = Buffer.alloc(0);
    socket.on("error", () => socket.destroy()); // the client went away
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, Buffer.from(chunk)]);
      for (;;) {
        const next = takeRequest(received);
        if (next === undefined) return;
        received = next.rest;
        turn = turn.then(async () => send(socket, "fault" in next ? next.fault : await handle(next.request)));
      }
    });
  });
  server.on("error", failed);
  server.listen(path, listening);
  return server;
}

function send(socket: Socket, outcome: Outcome): void {
  if (outcome === "silence") return;
  if (outcome === "close") socket.destroy();
  else socket.write("raw" in outcome ? outcome.raw : answerText(outcome));
}

function answerText({ status, body, deprecated }: Answer): string {
  const lines = [`HTTP/1.1 ${status} `, "Server: Firecracker API", "Connection: keep-alive"];
  if (deprecated) lines.push("Deprecation: true");
  if (body !== undefined) {
    lines.push("Content-Type: application/json", `Content-Length: ${Buffer.byteLength(body)}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n${body ?? ""}`;
}

type Taken = { readonly rest: Buffer } & ({ readonly request: ApiRequest } | { readonly fault: Answer });

/** The next whole request, undefined while there is none. */
function takeRequest(received: Buffer): Taken | undefined {
  const lineEnd = received.indexOf("\r\n");
  if (lineEnd === -1) return undefined;
  const [method, path = ""] = received.toString("latin1", 0, lineEnd).split(" ");
  if (method !== "GET" && method !== "PUT" && method !== "PATCH") {
    return broken("Invalid HTTP Method: Unsupported HTTP method.");
  }
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const headers = received.toString("latin1", lineEnd, headEnd);
  const length = Number(/\r\ncontent-length:\s*(\d+)/i.exec(headers)?.[1] ?? 0);
  if (length > payloadLimit) {
    return broken(
      `Request payload with size ${length} is larger than the limit of ${payloadLimit} allowed by server.`,
    );
  }
  const end = headEnd + 4 + length;
  if (received.length < end) return undefined;
  const body = length === 0 ? undefined : received.subarray(headEnd + 4, end);
  return { request: { method, path: pathOf(path), body }, rest: received.subarray(end) };
}

function broken(what: string): Taken {
  const body = `{ "error": "${what}\nAll previous unanswered requests will be dropped." }`;
  return { fault: { status: 400, body }, rest: Buffer.alloc(0) };
}

/** Without the scheme and host that some clients send. */
function pathOf(uri: string): string {
  const path = uri.replace(/^http:\/\/[^/]*/, "");
  return path.startsWith("/") ? path : "";
}
