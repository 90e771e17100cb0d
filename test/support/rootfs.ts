import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The commands that tests use in the small guest. */
const applets =
  "sh cat cp ls mkdir mv rm echo printf sleep true false test id env pwd kill ps uname hostname wc head tail sha256sum dd df sync date " +
  "touch stat seq grep sed tr nc ping wget ip nslookup mount md5sum find tar readlink stty yes poweroff chmod od seq";

/** Makes a root file system of a static busybox at `target` (a tar): no init, no sshd, one user; `add` may put more into its tree. */
export function writeBusyboxTar(target: string, add: (tree: string) => void = () => undefined): void {
  const tree = mkdtempSync(join(tmpdir(), "ember-rootfs-"));
  try {
    chmodSync(tree, 0o755); // it is the root folder of the guest
    for (const folder of ["bin", "etc", "root", "tmp", "home/kim", "proc", "sys", "dev", "run", "var"]) {
      mkdirSync(join(tree, folder), { recursive: true });
    }
    copyFileSync(busyboxPath(), join(tree, "bin/busybox"));
    chmodSync(join(tree, "bin/busybox"), 0o755);
    for (const applet of new Set(applets.split(/\s+/))) symlinkSync("busybox", join(tree, "bin", applet));
    writeFileSync(
      join(tree, "etc/passwd"),
      "root:x:0:0:root:/root:/bin/sh\nkim:x:1000:1000:Kim:/home/kim:/bin/sh\n",
    );
    writeFileSync(join(tree, "etc/group"), "root:x:0:\nkim:x:1000:\nstaff:x:50:kim\n");
    writeFileSync(join(tree, "etc/os-release"), 'NAME="Test"\nPRETTY_NAME="Test guest"\n');
    add(tree);
    const result = spawnSync("tar", [
      "--create",
      `--file=${target}`,
      `--directory=${tree}`,
      "--owner=0",
      "--group=0",
      "--mtime=@1700000000",
      "--sort=name",
      ".",
    ]);
    if (result.status !== 0) throw new Error(`tar failed: ${result.stderr}`);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

export function busyboxPath(): string {
  for (const path of ["/bin/busybox", "/usr/bin/busybox"]) {
    if (spawnSync(path, ["true"]).status === 0) return path;
  }
  throw new Error("no busybox: install busybox-static");
}
