import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { platform } from "node:os";
import { join } from "node:path";
import { netTarget } from "../../src/network/user/binary/program.ts";

// Text of drivers that stays in an executable however it is compiled: what error messages and tools' arguments say.
const linuxOnly = ["nft_fib", "/dev/net/tun", "thin_check", "cgroup.subtree_control", "xfs_growfs", "zpool"];
const macosOnly = ["com.apple.vmnet", "diskutil", "ember-vz", "kern.bootsessionuuid", "Local Network"];

const dist = join(import.meta.dir, "..", "..", "dist");

/** Compiled code keeps its strings as Latin-1 or UTF-16. */
function holds(executable: Buffer, text: string): boolean {
  return executable.includes(text, 0, "latin1") || executable.includes(text, 0, "utf16le");
}

for (const [name, own, others] of [
  ["ember", linuxOnly, macosOnly],
  ["test/ember-macos", macosOnly, linuxOnly],
] as const) {
  test(`${name} holds its own platform's drivers, and nothing of the other's`, () => {
    const executable = readFileSync(join(dist, name));
    expect(own.filter((text) => !holds(executable, text))).toEqual([]);
    expect(others.filter((text) => holds(executable, text))).toEqual([]);
  });
}

for (const name of ["ember", "test/ember-macos"]) {
  test(`${name} holds the user network's process for the system that it runs on, and no other`, () => {
    const executable = readFileSync(join(dist, name));
    const own = netTarget(platform());
    expect(executable.includes(readFileSync(join(dist, "net", `ember-net-${own}`)))).toBe(true);
    const targets = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"];
    const held = targets.filter((target) => {
      const digest = join(dist, "net", `ember-net-${target}.sha256`);
      return existsSync(digest) && holds(executable, readFileSync(digest, "utf8"));
    });
    expect(held).toEqual([own]);
  });
}
