import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestInstallation } from "./ember.ts";
import { command, NetworkNamespace } from "./netns.ts";
import { writeBusyboxTar } from "./rootfs.ts";

export const addresses = {
  /** The host, towards the outside and towards its containers. */
  wan: "192.0.2.10",
  bridge: "172.17.0.1",
  outside: "192.0.2.1",
  container: "172.17.0.2",
} as const;

/** As `heardOutside`, in each guest. */
export const heardInGuest = "/tmp/heard";

/** Builds one of the programs that tests run on hosts and in guests, static: `name` is its folder here. */
export function buildProgram(name: string, path: string): void {
  command("env", "CGO_ENABLED=0", "go", "build", "-o", path, join(import.meta.dir, name, "main.go"));
}

/**
 * Where real guests try whom they reach: a host, a container behind its bridge and the outside, each a network namespace
 * in which "reach serve" answers.
 */
export class Places implements Disposable {
  readonly work: string = mkdtempSync(join(tmpdir(), "ember-places-"));
  /** The program that answers, and tries. */
  readonly reach: string = join(this.work, "reach");
  /** What UDP brought out there, a line each: heard "WORDS". */
  readonly heardOutside: string = join(this.work, "heard");
  readonly host: NetworkNamespace = new NetworkNamespace("host");
  readonly outside: NetworkNamespace = new NetworkNamespace("outside");
  readonly container: NetworkNamespace = new NetworkNamespace("container");
  readonly #processes: ChildProcess[] = [];

  constructor() {
    const { host, outside, container } = this;
    buildProgram("reach", this.reach);
    host.connect(
      outside,
      { name: "wan0", address: `${addresses.wan}/24` },
      { name: "eth0", address: `${addresses.outside}/24` },
    );
    host.ip("route", "add", "default", "via", addresses.outside);
    outside.ip("route", "add", "10.0.0.0/8", "via", addresses.wan); // it knows the way to the guests, and tries
    host.ip("link", "add", "docker0", "type", "bridge");
    host.ip("address", "add", `${addresses.bridge}/16`, "dev", "docker0");
    host.ip("link", "set", "docker0", "up");
    host.connect(
      container,
      { name: "veth0", address: "0.0.0.0/0" },
      { name: "eth0", address: `${addresses.container}/16` },
    );
    host.ip("link", "set", "veth0", "master", "docker0");
    container.ip("route", "add", "default", "via", addresses.bridge);
    for (const place of [host, container]) this.start(place, this.reach, "serve");
    this.start(outside, "sh", "-c", `exec '${this.reach}' serve >'${this.heardOutside}'`);
  }

  /** Starts a program in a place; it ends with the places. */
  start(place: NetworkNamespace, ...program: readonly string[]): ChildProcess {
    const child = spawn("ip", ["netns", "exec", place.name, ...program], { stdio: "ignore" });
    this.#processes.push(child);
    return child;
  }

  /** An installation on this host, with an image "busybox" and a kernel. */
  async install(...init: readonly string[]): Promise<TestInstallation> {
    const installation = new TestInstallation({ namespace: this.host.name });
    const rootfs = join(this.work, "rootfs.tar");
    writeBusyboxTar(rootfs);
    const rest = ["--storage", "qcow2", "--hypervisor", "qemu", "--accel", "tcg"];
    await installation.ok(["init", ...init, ...rest]);
    await installation.ok(["image", "import", rootfs, "--name", "busybox"]);
    await installation.pullKernel();
    return installation;
  }

  /** Makes and starts a VM that answers as the places do. */
  async guest(installation: TestInstallation, name: string, ...flags: readonly string[]): Promise<void> {
    await installation.ok(["vm", "create", name, "--image", "busybox", "--memory", "256M", ...flags]);
    await this.serveIn(installation, name);
  }

  async serveIn(installation: TestInstallation, name: string): Promise<void> {
    await installation.ok(["cp", this.reach, `${name}:/bin/reach`]);
    const serve = `exec /bin/reach serve >${heardInGuest}`;
    await installation.ok(["exec", name, "--detach", "--", "sh", "-c", serve]);
  }

  /** Which of the targets answer a place on which protocol, as "tcp ADDRESS". */
  reachedFrom(place: NetworkNamespace, ...targets: readonly string[]): string[] {
    return answered(place.run(this.reach, "try", ...targets));
  }

  [Symbol.dispose](): void {
    for (const child of this.#processes) child.kill("SIGKILL");
    for (const place of [this.host, this.outside, this.container]) place[Symbol.dispose]();
    rmSync(this.work, { recursive: true, force: true });
  }
}

/** As above, of a VM. */
export async function reachedFromVm(
  installation: TestInstallation,
  name: string,
  ...targets: readonly string[]
): Promise<string[]> {
  return answered(await installation.ok(["exec", name, "--", "/bin/reach", "try", ...targets]));
}

const answered = (output: string): string[] =>
  output.split("\n").flatMap((line) => /^(.*) yes$/.exec(line)?.[1] ?? []);

/** All ways to the targets. */
export const every = (...targets: readonly string[]): string[] =>
  targets.flatMap((target) => ["tcp", "udp", "icmp"].map((protocol) => `${protocol} ${target}`));
