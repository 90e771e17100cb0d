import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Refusal, systemErrorWords } from "./answers.ts";
import { connectUnix } from "./libc.ts";
import { findVsockProgram, spawnBound } from "./programs.ts";
import { proxyVsock } from "./vsock-proxy.ts";

export interface VsockDevice {
  /** The connection to the device, for QEMU to inherit. */
  readonly fd: number;
  /** Lets clients through: the guest's driver has started. */
  readonly open: () => void;
  /** Makes room for another device at the same path, as Firecracker does when it is told anew. */
  replace(): Promise<void>;
}

const failed =
  "Vsock config error: Cannot create backend for vsock device: Error binding to the host-side Unix socket:";
const O_PATH = 0x200000;

/**
 * A vsock device outside QEMU (vhost-user), which is reached at `path` from now on by Firecracker's protocol. The socket
 * stays when the process ends, as Firecracker's does.
 */
export async function startVsockDevice(path: string, cid: number): Promise<VsockDevice> {
  if (existsSync(path)) throw new Refusal(`${failed} ${systemErrorWords("EADDRINUSE")}`);
  const program = findVsockProgram();
  if (program === undefined)
    throw new Refusal("the double has no vsock device: run scripts/vhost-device-vsock");
  // QEMU's side is there only until it is connected, so nothing stays when this process is killed.
  const folder = mkdtempSync(join(tmpdir(), "fc-double-"));
  try {
    const inner = join(folder, "vhost");
    const child = spawnBound(program, ["--guest-cid", `${cid}`, "--socket", inner, "--uds-path", path], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    const fd = await connected(child, inner, path);
    // The device goes on to find the sockets of the host's listeners by its path, but its own is taken over.
    const taken = openSync(path, O_PATH);
    unlinkSync(path);
    const ready = Promise.withResolvers<void>();
    const proxy = await proxyVsock(path, `/proc/self/fd/${taken}`, ready.promise);
    return {
      fd,
      open: ready.resolve,
      replace: async () => {
        child.kill("SIGKILL");
        closeSync(fd);
        closeSync(taken);
        await new Promise((resolve) => proxy.close(resolve));
        if (existsSync(path)) unlinkSync(path);
      },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The connection to the device, as soon as it listens on both sides. */
async function connected(child: ChildProcess, inner: string, path: string): Promise<number> {
  for (let tries = 0; tries < 500; tries++) {
    if (child.exitCode !== null) break;
    const fd = existsSync(path) ? connectUnix(inner) : undefined;
    if (fd !== undefined) return fd;
    await Bun.sleep(10);
  }
  child.kill("SIGKILL");
  throw new Refusal(`${failed} ${systemErrorWords("ENOENT")}`);
}
