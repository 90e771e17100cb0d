import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CommandResult,
  executable,
  processesNaming,
  runCommand,
  sharedCache,
} from "../support/ember.ts";
import { onPlatform } from "../support/platform.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// As a user without root, on Linux where the file system cannot clone: qcow2 overlays. Everything in the user's own folders.
const uid = 4242;
let home: string;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "ember-user-"));
  chownSync(home, uid, uid);
  chmodSync(home, 0o755);
  copyFileSync(executable, join(home, "ember"));
  chmodSync(join(home, "ember"), 0o755);
  writeBusyboxTar(join(home, "rootfs.tar"));
  // The user's cache begins with what the other tests have fetched already.
  mkdirSync(sharedCache, { recursive: true });
  Bun.spawnSync(["cp", "-a", sharedCache, join(home, "cache")]);
  Bun.spawnSync(["chown", "-R", `${uid}:${uid}`, home]);
});

afterAll(async () => {
  await asUser(["deinit", "--purge"]);
  for (const line of processesNaming(home)) process.kill(Number(line.split(" ")[1]), "SIGKILL");
  rmSync(home, { recursive: true, force: true });
  rmSync(`/tmp/ember-${uid}`, { recursive: true, force: true });
});

function asUser(args: readonly string[]): Promise<CommandResult> {
  return runCommand(
    "setpriv",
    [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", join(home, "ember"), ...args],
    {
      cwd: home,
      env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: home, EMBER_CACHE_DIR: join(home, "cache") },
    },
  );
}

async function ok(...args: string[]): Promise<string> {
  const result = await asUser(args);
  if (result.status !== 0)
    throw new Error(`ember ${args.join(" ")} ended with ${result.status}: ${result.stderr}`);
  return result.stdout.trim();
}

test("a user without root makes, runs, forks and deletes VMs", async () => {
  await ok("init");
  const info = JSON.parse(await ok("info", "--format", "json"));
  expect(info).toMatchObject({
    storage: onPlatform.storageOfUsers,
    hypervisor: onPlatform.hypervisor,
    stateDir: join(home, onPlatform.stateOfUsers),
  });
  await ok("image", "import", join(home, "rootfs.tar"), "--name", "busybox");
  await ok("vm", "create", "web", "--image", "busybox", "--memory", "256M");
  expect(await ok("exec", "web", "--", "id", "-u")).toBe("0");
  await ok("exec", "web", "--", "sh", "-c", "echo precious > /root/file");
  await ok("vm", "stop", "web");
  await ok("vm", "fork", "web", "web2");
  expect(await ok("exec", "web2", "--", "cat", "/root/file")).toBe("precious");
  if (onPlatform.siblingsOfUsers) {
    await ok("vm", "start", "web");
    const answered = await ok("exec", "web", "--", "ping", "-c", "1", "-W", "5", "web2");
    expect(answered).toContain("1 packets received");
  }
  await ok("vm", "delete", "--force", "web", "web2");
}, 300_000);

test("another user's installation is refused with the reason", async () => {
  const foreign = mkdtempSync(join(tmpdir(), "ember-root-"));
  try {
    const result = await asUser(["--state-dir", foreign, "vm", "list"]);
    expect(result.status).toBe(5);
    expect(result.stderr).toContain("hint:");
  } finally {
    rmSync(foreign, { recursive: true });
  }
});
