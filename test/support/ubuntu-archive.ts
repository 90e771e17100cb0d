import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import { debian } from "../../src/image/bootstrap/debian.ts";
import { TestKey } from "../../src/kernel/testing/fake-archive.ts";

const nothing = Buffer.alloc(0);

/**
 * An archive of Ubuntu's layout on loopback, signed with a key of its own: the suites "noble", "noble-updates" and
 * "noble-security", each with "main" and "universe". The first has the packages of this host's Debian, which come from its mirror;
 * the others are empty.
 */
export class UbuntuArchive implements AsyncDisposable {
  readonly key: TestKey = new TestKey();
  readonly #server: Server;
  /** Paths that are here; all else is looked for at the mirror. */
  readonly #files = new Map<string, Buffer>();
  readonly #mirror: string;
  readonly #architecture: string;

  private constructor(mirror: string, architecture: string) {
    this.#mirror = mirror;
    this.#architecture = architecture;
    this.#server = createServer((request, response) => {
      const path = decodeURIComponent(request.url ?? "");
      const content = this.#files.get(path);
      if (content !== undefined) response.writeHead(200, { "content-length": content.length }).end(content);
      else if (/^\/ubuntu\/(pool|dists\/noble\/main)\//.test(path)) {
        const there = path.replace("/ubuntu/dists/noble/", "/dists/bookworm/").replace("/ubuntu/", "/");
        response.writeHead(302, { location: this.#mirror + there }).end();
      } else response.writeHead(404).end();
    });
  }

  static async start(architecture: string): Promise<UbuntuArchive> {
    const [main] = debian.archives("bookworm");
    if (main === undefined) throw new Error("there is no mirror of Debian");
    const archive = new UbuntuArchive(main.uri, architecture);
    await new Promise<void>((resolve) => archive.#server.listen(0, "127.0.0.1", resolve));
    const release = await (await fetch(`${main.uri}/dists/bookworm/InRelease`)).text();
    const wanted = new RegExp(`^ [0-9a-f]{64} +\\d+ main/binary-${architecture}/Packages(\\.xz)?$`, "gm");
    archive.#publish("noble", release.match(wanted) ?? []);
    archive.#publish("noble-updates", [archive.#empty("noble-updates", "main")]);
    archive.#publish("noble-security", [archive.#empty("noble-security", "main")]);
    return archive;
  }

  get uri(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the server does not listen");
    return `http://127.0.0.1:${address.port}/ubuntu`;
  }

  /** From now on the suite's release comes without a signature, or with another one's. */
  resign(suite: string, key: TestKey | undefined): void {
    const text = this.#releases.get(suite) ?? "";
    this.#files.set(`/ubuntu/dists/${suite}/InRelease`, key?.clearSign(text) ?? Buffer.from(text));
  }

  readonly #releases = new Map<string, string>();

  #publish(suite: string, files: readonly string[]): void {
    const fields = [
      ...["Origin: Ubuntu", `Suite: ${suite}`, "Codename: noble", `Date: ${new Date().toUTCString()}`],
      ...[`Architectures: ${this.#architecture}`, "Components: main universe", "SHA256:"],
    ];
    const lines = [...fields, ...files, this.#empty(suite, "universe")];
    this.#releases.set(suite, `${lines.join("\n")}\n`);
    this.resign(suite, this.key);
  }

  /** A list of no packages, and the line about it in the release. */
  #empty(suite: string, component: string): string {
    const path = `${component}/binary-${this.#architecture}/Packages`;
    this.#files.set(`/ubuntu/dists/${suite}/${path}`, nothing);
    return ` ${createHash("sha256").update(nothing).digest("hex")} 0 ${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.key[Symbol.dispose]();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
