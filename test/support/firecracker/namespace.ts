import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A network namespace of a test's own, and a program started in it. Needs root. */
export class TestNamespace implements Disposable {
  readonly name: string;
  readonly #folder: string;

  constructor(what: string) {
    this.name = `fc-${what}-${process.pid}`;
    this.#folder = mkdtempSync(join(tmpdir(), "fc-netns-"));
    spawnSync("ip", ["netns", "add", this.name]);
  }

  /** `ip ARGS...` in the namespace; throws unless it succeeds. */
  ip(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync("ip", ["-n", this.name, ...args], { encoding: "utf8" });
    if (status !== 0) throw new Error(`ip ${args.join(" ")} failed: ${stderr}`);
    return stdout;
  }

  /** The status of a command in the namespace. */
  run(...command: string[]): number | null {
    return spawnSync("ip", ["netns", "exec", this.name, ...command]).status;
  }

  /** A program that is this one, in the namespace. */
  wrap(program: string): string {
    const path = join(this.#folder, "program");
    const inside = `exec ip netns exec ${this.name} '${program}' "$@"`;
    writeFileSync(path, `#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n${inside}\n`, {
      mode: 0o755,
    });
    return path;
  }

  [Symbol.dispose](): void {
    spawnSync("ip", ["netns", "del", this.name]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
