import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Returns whether it has answered; else the request goes on to the registry. */
export type Meddler = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface ProxyOptions {
  readonly meddle?: Meddler;
  /** Speaks TLS with a certificate that only `certificateFile` vouches for. */
  readonly tls?: boolean;
  readonly address?: string;
  /** Slows bodies down to about so much. */
  readonly bytesPerSecond?: number;
}

/** Stands before a registry on loopback, and answers what a test wants answered otherwise. */
export class RegistryProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #folder: string;
  readonly host: string;
  /** Of every request, in order: "GET /v2/...", and its Authorization. */
  readonly requests: { readonly line: string; readonly authorization: string | undefined }[];

  private constructor(server: Server, folder: string, host: string, requests: RegistryProxy["requests"]) {
    this.#server = server;
    this.#folder = folder;
    this.host = host;
    this.requests = requests;
  }

  get certificateFile(): string {
    return join(this.#folder, "cert.pem");
  }

  static async start(upstream: string, options: ProxyOptions = {}): Promise<RegistryProxy> {
    const { address = "127.0.0.1", meddle } = options;
    const folder = mkdtempSync(join(tmpdir(), "ember-proxy-"));
    const requests: RegistryProxy["requests"] = [];
    const answer = (incoming: IncomingMessage, response: ServerResponse): void => {
      const line = `${incoming.method} ${incoming.url}`;
      requests.push({ line, authorization: incoming.headers.authorization });
      if (meddle?.(incoming, response) !== true) forward(upstream, incoming, response, options);
    };
    const server =
      options.tls === true ? createTlsServer(selfSigned(folder, address), answer) : createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    const bound = server.address();
    if (bound === null || typeof bound === "string") throw new Error("the server does not listen");
    return new RegistryProxy(server, folder, `${address}:${bound.port}`, requests);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function forward(
  upstream: string,
  incoming: IncomingMessage,
  response: ServerResponse,
  { bytesPerSecond }: ProxyOptions,
): void {
  const [hostname = "", port = ""] = upstream.split(":");
  const { method = "GET", url: path = "/", headers } = incoming;
  const onwards = request(
    { hostname, port, method, path, headers: { ...headers, host: upstream } },
    (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      if (bytesPerSecond === undefined) answer.pipe(response);
      else trickle(answer, response, bytesPerSecond);
    },
  );
  onwards.on("error", () => response.destroy());
  incoming.pipe(onwards);
}

function trickle(answer: IncomingMessage, response: ServerResponse, bytesPerSecond: number): void {
  answer.on("data", (chunk: Buffer) => {
    response.write(chunk);
    answer.pause();
    setTimeout(() => answer.resume(), (chunk.length / bytesPerSecond) * 1000);
  });
  answer.on("end", () => response.end());
}

function selfSigned(folder: string, address: string): { key: Buffer; cert: Buffer } {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const form =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test".split(" ");
  const args = [...form, "-addext", `subjectAltName=IP:${address}`, "-keyout", key, "-out", cert];
  const made = spawnSync("openssl", args, { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`openssl failed: ${made.stderr}`);
  return { key: readFileSync(key), cert: readFileSync(cert) };
}
