import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TestInstallation } from "./ember.ts";
import { addresses, buildProgram, Places } from "./places.ts";
import { writeBusyboxTar } from "./rootfs.ts";

/** Names that the world answers for, by address. */
export const hosts = {
  "api.example": "198.51.100.7",
  "www.api.example": "198.51.100.7",
  "other.example": "198.51.100.8",
} as const;

/**
 * Places whose outside is a small internet, and whose host asks it for names and trusts its certificates. `ip netns exec` puts
 * what is in /etc/netns/NAME over /etc.
 */
export class World implements Disposable {
  readonly places: Places = new Places();
  readonly program: string;
  readonly #etc: string;
  readonly #bundle: string;

  constructor() {
    const { host, outside, work } = this.places;
    this.program = join(work, "world");
    this.#etc = join("/etc/netns", host.name);
    this.#bundle = join(this.#etc, "ssl/certs/ca-certificates.crt");
    buildProgram("world", this.program);
    mkdirSync(join(this.#etc, "ssl/certs"), { recursive: true });
    if (existsSync("/etc/ssl/openssl.cnf"))
      cpSync("/etc/ssl/openssl.cnf", join(this.#etc, "ssl/openssl.cnf"));
    writeFileSync(join(this.#etc, "resolv.conf"), `nameserver ${addresses.outside}\n`);
    for (const address of new Set(Object.values(hosts)))
      outside.ip("address", "add", `${address}/32`, "dev", "lo");
    const names = Object.entries({ "ns.example": addresses.outside, ...hosts });
    const answers = names.map(([name, address]) => `${name}=${address}`);
    this.places.start(outside, this.program, "serve", this.#bundle, ...answers);
  }

  /** An installation on the host, whose image "client" trusts the world's certificates and has the program `world`. */
  async install(...init: readonly string[]): Promise<TestInstallation> {
    for (let waited = 0; !existsSync(this.#bundle); waited += 50) {
      if (waited > 10_000) throw new Error("the world made no certificates");
      await sleep(50);
    }
    const rootfs = join(this.places.work, "client.tar");
    writeBusyboxTar(rootfs, (tree) => {
      mkdirSync(join(tree, "etc/ssl/certs"), { recursive: true });
      writeFileSync(join(tree, "etc/ssl/certs/ca-certificates.crt"), readFileSync(this.#bundle));
      cpSync(this.program, join(tree, "bin/world"));
    });
    const installation = new TestInstallation({ namespace: this.places.host.name });
    await installation.ok(["init", ...init, "--storage", "qcow2", "--hypervisor", "qemu", "--accel", "tcg"]);
    await installation.ok(["image", "import", rootfs, "--name", "client"]);
    await installation.pullKernel();
    return installation;
  }

  [Symbol.dispose](): void {
    this.places[Symbol.dispose]();
    rmSync(this.#etc, { recursive: true, force: true });
  }
}
