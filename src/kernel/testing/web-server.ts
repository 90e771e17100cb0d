import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

/** What a test makes of a request instead of the plain answer. Returns false to let that follow. */
export type Mischief = (request: IncomingMessage, response: ServerResponse, content: Buffer) => boolean;

/** A web server on loopback that hands out what a map holds, parts of files included, and misbehaves on demand. */
export class WebServer implements AsyncDisposable {
  readonly files: Map<string, Buffer>;
  /** Paths asked for, in order; with "+OFFSET" when the request was for the rest of a file. */
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #mischief = new Map<string, Mischief[]>();

  private constructor(files: Map<string, Buffer>) {
    this.files = files;
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  static async start(files: Map<string, Buffer>): Promise<WebServer> {
    const server = new WebServer(files);
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the server does not listen");
    return `http://127.0.0.1:${address.port}`;
  }

  /** The next requests for `path` go to these, one each. */
  misbehave(path: string, ...acts: Mischief[]): void {
    this.#mischief.set(path, acts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(request.url ?? "");
    const offset = Number(/^bytes=([0-9]+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    this.requests.push(offset === 0 ? path : `${path}+${offset}`);
    const content = this.files.get(path);
    if (content === undefined) {
      response.writeHead(404).end("no such file");
      return;
    }
    if (this.#mischief.get(path)?.shift()?.(request, response, content) === true) return;
    const part = content.subarray(offset);
    const range = { "content-range": `bytes ${offset}-${content.length - 1}/${content.length}` };
    response.writeHead(offset === 0 ? 200 : 206, {
      "content-length": part.length,
      ...(offset === 0 ? {} : range),
    });
    response.end(part);
  }
}

/** Answers with an error status. */
export const status =
  (code: number): Mischief =>
  (_request, response) => {
    response.writeHead(code).end("no");
    return true;
  };

/** Promises everything, sends only the beginning, and hangs up. */
export const breakOffAfter =
  (bytes: number): Mischief =>
  (_request, response, content) => {
    response.writeHead(200, { "content-length": content.length });
    // A client may drop what it has not read yet when the connection is reset: let it read first.
    response.write(content.subarray(0, bytes), () => setTimeout(() => response.destroy(), 50));
    return true;
  };

/** Sends the beginning, then nothing more. */
export const stallAfter =
  (bytes: number, then?: () => void): Mischief =>
  (_request, response, content) => {
    response.writeHead(200, { "content-length": content.length });
    response.write(content.subarray(0, bytes), () => then?.());
    return true;
  };

/** Ignores that only a part was asked for. */
export const wholeFile: Mischief = (_request, response, content) => {
  response.writeHead(200, { "content-length": content.length }).end(content);
  return true;
};
