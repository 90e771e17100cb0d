import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** A program of the host, whatever PATH says: the jailer clears it. */
export function findProgram(name: string): string | undefined {
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** What scripts/vhost-device-vsock has built. */
export function findVsockProgram(): string | undefined {
  const told = process.env["FC_DOUBLE_VSOCK"];
  if (told !== undefined && told !== "") return told;
  const cache = process.env["EMBER_BUILD_CACHE"];
  const homes = [homedir(), "/root"].map((home) => join(home, ".cache", "ember-build"));
  return [...(cache === undefined ? [] : [cache]), ...homes]
    .map((folder) => join(folder, "vhost-device-vsock-0.3.0", "bin", "vhost-device-vsock"))
    .find((path) => existsSync(path));
}

/** Starts a program that the kernel ends when this process dies, whatever kills it. */
export function spawnBound(path: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn(findProgram("setpriv") ?? "setpriv", ["--pdeathsig", "KILL", "--", path, ...args], {
    ...options,
    env: { PATH: folders.join(":"), LC_ALL: "C" },
  });
}
