import { spawnSync } from "node:child_process";

/** Runs a program that must succeed; returns what it printed. */
export function command(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, [...args], { encoding: "utf8", timeout: 60_000 });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}: ${stderr}`);
  return stdout;
}

/** A network namespace of a test's own, removed at its end with every interface in it. */
export class NetworkNamespace implements Disposable {
  readonly name: string;

  constructor(purpose: string) {
    this.name = `ember-${purpose}-${process.pid}`;
    command("ip", "netns", "add", this.name);
    this.ip("link", "set", "lo", "up");
  }

  ip(...args: readonly string[]): string {
    return command("ip", "-n", this.name, ...args);
  }

  /** Runs a program in here, which must succeed. */
  run(...args: readonly string[]): string {
    return command("ip", "netns", "exec", this.name, ...args);
  }

  /** Whether a program in here succeeds. */
  succeeds(...args: readonly string[]): boolean {
    return spawnSync("ip", ["netns", "exec", this.name, ...args], { timeout: 60_000 }).status === 0;
  }

  /** Connects to another namespace with a cable; each side gets an address ("192.0.2.1/24"). */
  connect(
    other: NetworkNamespace,
    here: { readonly name: string; readonly address: string },
    there: { readonly name: string; readonly address: string },
  ): void {
    const peer = ["peer", "name", there.name, "netns", other.name];
    command("ip", "link", "add", here.name, "netns", this.name, "type", "veth", ...peer);
    for (const [side, { name, address }] of [
      [this, here],
      [other, there],
    ] as const) {
      side.ip("address", "add", address, "dev", name);
      side.ip("link", "set", name, "up");
    }
  }

  [Symbol.dispose](): void {
    spawnSync("ip", ["netns", "delete", this.name]);
  }
}
