import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { dyingWithParent } from "../../src/host/contain.ts";

/** Why there can be no registry here; undefined when there can. */
export function missingForRegistry(): string | undefined {
  const missing = ["docker-registry", "skopeo"].filter((tool) => Bun.which(tool) === null);
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

/** A registry of a test's own on loopback, by plain http, with all it holds in a folder that goes with it. */
export class TestRegistry implements AsyncDisposable {
  readonly #folder: string;
  readonly #process: ChildProcess;
  /** "127.0.0.1:40123" */
  readonly host: string;

  private constructor(folder: string, child: ChildProcess, host: string) {
    this.#folder = folder;
    this.#process = child;
    this.host = host;
  }

  /** Post-condition: it answers, or nothing is left of it. */
  static async start(): Promise<TestRegistry> {
    const folder = mkdtempSync(join(tmpdir(), "ember-registry-"));
    const host = `127.0.0.1:${await freePort()}`;
    const configuration = {
      version: 0.1,
      log: { level: "error" },
      storage: { filesystem: { rootdirectory: join(folder, "data") } },
      http: { addr: host },
    };
    writeFileSync(join(folder, "config.yml"), JSON.stringify(configuration)); // JSON is YAML
    // Ends with whoever runs the tests, also when they are killed.
    const [program, args] = dyingWithParent("docker-registry", ["serve", join(folder, "config.yml")]);
    const child = spawn(program, args, { stdio: "ignore" });
    const registry = new TestRegistry(folder, child, host);
    try {
      await registry.#ready();
      return registry;
    } catch (error) {
      await registry[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Copies an image of an OCI layout to `NAME:TAG` of this registry; with `all` an index with all that it leads to. */
  push(layout: string, name: string, options: { readonly tag?: string; readonly all?: boolean } = {}): void {
    const args = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"];
    if (options.all === true) args.push("--all");
    const source = `oci:${layout}:${options.tag ?? "latest"}`;
    const result = spawnSync("skopeo", [...args, source, `docker://${this.host}/${name}`], {
      encoding: "utf8",
    });
    if (result.status !== 0) throw new Error(`skopeo failed: ${result.stderr}`);
  }

  /** Loses a blob: whoever asks for it from now on gets none. */
  forget(digest: string): void {
    const hex = digest.replace("sha256:", "");
    const blobs = join(this.#folder, "data/docker/registry/v2/blobs/sha256");
    rmSync(join(blobs, hex.slice(0, 2), hex), { recursive: true });
  }

  /** What it holds takes up. */
  storedBytes(): number {
    const { stdout } = spawnSync("du", ["-sb", join(this.#folder, "data")], { encoding: "utf8" });
    return Number.parseInt(stdout, 10);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = new Promise((resolve) => this.#process.once("exit", resolve));
      this.#process.kill("SIGKILL");
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    const [address = "", port = ""] = this.host.split(":");
    for (let attempt = 0; attempt < 500; attempt++) {
      if (this.#process.exitCode !== null) throw new Error("the registry ended at once");
      if (await answers(address, Number(port))) return;
      await sleep(20);
    }
    throw new Error("the registry does not answer");
  }
}

function answers(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, address);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
