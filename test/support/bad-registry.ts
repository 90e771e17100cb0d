import { createServer, type Server, type ServerResponse } from "node:http";

/** What a bad registry answers for the images below a name; the name is the first part of the path. */
export const badAnswers: Readonly<Record<string, (response: ServerResponse) => void>> = {
  unauthorized: (response) => {
    response.setHeader("WWW-Authenticate", 'Basic realm="test"');
    registryError(response, 401, "UNAUTHORIZED", "authentication required");
  },
  denied: (response) => registryError(response, 403, "DENIED", "requested access to the resource is denied"),
  unknown: (response) => registryError(response, 404, "MANIFEST_UNKNOWN", "manifest unknown"),
  web: (response) =>
    void response.writeHead(404, { "content-type": "text/html" }).end("<html>not found</html>"),
  broken: (response) => void response.writeHead(500).end("oops"),
  busy: (response) => {
    response.setHeader("Retry-After", "1"); // else skopeo waits for a minute in all
    registryError(response, 429, "TOOMANYREQUESTS", "You have reached your pull rate limit.");
  },
  garbage: (response) =>
    void response
      .writeHead(200, { "content-type": "application/octet-stream" })
      .end(Buffer.from([0, 1, 2, 255])),
  page: (response) =>
    void response.writeHead(200, { "content-type": "text/html" }).end("<html>please log in</html>"),
  obsolete: (response) =>
    void response
      .writeHead(200, { "content-type": "application/vnd.docker.distribution.manifest.v1+json" })
      .end('{"schemaVersion":1,"name":"x","tag":"latest","fsLayers":[],"history":[]}'),
  silent: () => undefined,
};

function registryError(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

/** A server on loopback that looks like a registry, and gives bad answers. */
export class BadRegistry implements AsyncDisposable {
  readonly #server: Server;
  readonly host: string;

  private constructor(server: Server, host: string) {
    this.#server = server;
    this.host = host;
  }

  static async start(): Promise<BadRegistry> {
    const server = createServer((request, response) => {
      response.setHeader("Docker-Distribution-Api-Version", "registry/2.0");
      const name = /^\/v2\/([^/]+)\//.exec(request.url ?? "")?.[1];
      if (name === undefined) response.end("{}");
      else (badAnswers[name] ?? badAnswers["unknown"])?.(response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the server does not listen");
    return new BadRegistry(server, `127.0.0.1:${address.port}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
