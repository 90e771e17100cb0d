import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { makeBzImage, makeModule } from "./fake-kernel.ts";

/** A key of a test's own, and what it signs. Its agent ends with it. */
export class TestKey implements Disposable {
  readonly #home: string;
  readonly keyringPath: string;

  constructor() {
    this.#home = mkdtempSync(join(tmpdir(), "ember-gpg-"));
    this.keyringPath = join(this.#home, "public.gpg");
    this.#gpg([
      "--passphrase",
      "",
      "--quick-generate-key",
      "Test <test@example.org>",
      "ed25519",
      "sign",
      "never",
    ]);
    this.#gpg(["--output", this.keyringPath, "--export"]);
  }

  clearSign(text: string): Buffer {
    return this.#gpg(["--clearsign"], text);
  }

  /** A signature that lies beside its file, as text. */
  detachSign(content: Buffer): Buffer {
    return this.#gpg(["--armor", "--detach-sign"], content);
  }

  /** The public key as publishers put it on a page. */
  armoured(): Buffer {
    return this.#gpg(["--armor", "--export"]);
  }

  [Symbol.dispose](): void {
    spawnSync("gpgconf", ["--homedir", this.#home, "--kill", "all"]);
    rmSync(this.#home, { recursive: true, force: true });
  }

  #gpg(args: readonly string[], input: string | Buffer = ""): Buffer {
    const result = spawnSync(
      "gpg",
      ["--homedir", this.#home, "--batch", "--quiet", "--pinentry-mode=loopback", ...args],
      { input },
    );
    if (result.status !== 0) throw new Error(`gpg: ${result.stderr}`);
    return result.stdout;
  }
}

/** An ar archive as deb(5) has it. */
export function makeAr(members: readonly { readonly name: string; readonly content: Buffer }[]): Buffer {
  const parts = members.flatMap(({ name, content }) => [
    Buffer.from(
      `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(6)}${"0".padEnd(6)}${"100644".padEnd(8)}${String(content.length).padEnd(10)}\`\n`,
    ),
    content,
    Buffer.alloc(content.length % 2, "\n"),
  ]);
  return Buffer.concat([Buffer.from("!<arch>\n"), ...parts]);
}

/** A tar archive of regular files, made by tar itself. */
export function makeTar(files: Readonly<Record<string, Buffer>>): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "ember-tar-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    const result = spawnSync("tar", ["-c", "-C", folder, "--owner=0", "--group=0", "."], {
      maxBuffer: 2 ** 28,
    });
    if (result.status !== 0) throw new Error(`tar: ${result.stderr}`);
    return result.stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a kernel's package holds, for one version. */
export function kernelFiles(version: string): Record<string, Buffer> {
  const modules = `lib/modules/${version}`;
  const module = (path: string, depends: readonly string[] = []): [string, Buffer] => {
    const name = path.slice(path.lastIndexOf("/") + 1).replaceAll("-", "_");
    return [`${modules}/kernel/${path}.ko`, makeModule(name, depends, "~Module signature appended~\n")];
  };
  return Object.fromEntries([
    [`boot/vmlinuz-${version}`, makeBzImage({ version })],
    [`boot/config-${version}`, Buffer.from("CONFIG_FAKE=y\n")],
    [`boot/System.map-${version}`, Buffer.from("ignored\n")],
    [
      `${modules}/modules.builtin`,
      Buffer.from("kernel/fs/ext4/ext4.ko\nkernel/drivers/char/hw_random/virtio-rng.ko\n"),
    ],
    module("drivers/virtio/virtio_pci", ["virtio", "virtio_ring"]),
    module("drivers/virtio/virtio"),
    module("drivers/virtio/virtio_ring"),
    module("drivers/block/virtio_blk", ["virtio", "virtio_ring"]),
    module("drivers/net/virtio_net", ["virtio_ring", "net_failover"]),
    module("drivers/net/net_failover", ["failover"]),
    module("net/core/failover"),
    module("fs/xfs/xfs", ["libcrc32c"]),
    module("fs/btrfs/btrfs", ["xor", "libcrc32c"]),
    module("crypto/xor"),
    module("lib/libcrc32c"),
    module("drivers/gpu/unrelated"),
  ]);
}

export function makeDeb(files: Readonly<Record<string, Buffer>>): Buffer {
  return makeAr([
    { name: "debian-binary", content: Buffer.from("2.0\n") },
    { name: "control.tar.gz", content: gzipSync(Buffer.alloc(1024)) },
    { name: "data.tar.gz", content: gzipSync(makeTar(files)) },
  ]);
}

const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

export const abi = "6.1.0-9-cloud-amd64";
export const paths: Readonly<Record<"release" | "packages" | "deb", string>> = {
  release: "/debian/dists/bookworm/InRelease",
  packages: "/debian/dists/bookworm/main/binary-amd64/Packages.gz",
  deb: `/debian/pool/main/l/linux/linux-image-${abi}_6.1.9-1_amd64.deb`,
};

export interface FakeArchiveOptions {
  readonly deb?: Buffer;
  /** Replaces fields of the Release file. */
  readonly release?: Readonly<Record<string, string>>;
  /** Changes the list of packages before it is signed for. */
  readonly editPackages?: (text: string) => string;
}

/** The files of an archive with one kernel, signed by `key`. */
export function makeArchive(key: TestKey, options: FakeArchiveOptions = {}): Map<string, Buffer> {
  const deb = options.deb ?? makeDeb(kernelFiles(abi));
  const edit = options.editPackages ?? ((text: string): string => text);
  const packages = gzipSync(edit(packagesText(deb)));
  const fields = {
    Origin: "Test",
    Suite: "oldstable",
    Codename: "bookworm",
    Date: "Sat, 11 Jul 2020 10:16:37 UTC",
    ...options.release,
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`);
  const files = `SHA256:\n ${sha256(packages)} ${packages.length} main/binary-amd64/Packages.gz\n`;
  return new Map([
    [paths.release, key.clearSign(lines.join("") + files)],
    [paths.packages, packages],
    [paths.deb, deb],
  ]);
}

function packagesText(deb: Buffer): string {
  const entry = (fields: Readonly<Record<string, string>>): string =>
    Object.entries(fields)
      .map(([name, value]) => `${name}: ${value}\n`)
      .join("");
  return [
    entry({ Package: "zlib1g", Version: "1", Filename: "pool/z.deb", Size: "1", SHA256: "0".repeat(64) }),
    entry({
      Package: "linux-image-cloud-amd64",
      Version: "6.1.9-1",
      Depends: `linux-image-${abi} (= 6.1.9-1)`,
      Description: "a package that stands for another\n with more\n .\n lines",
      Filename: "pool/main/l/linux/meta.deb",
      Size: "1000",
      SHA256: "1".repeat(64),
    }),
    entry({
      Package: `linux-image-${abi}`,
      Version: "6.1.9-1",
      Depends: "kmod, linux-base (>= 4.3~), initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool",
      Filename: paths.deb.replace("/debian/", ""),
      Size: String(deb.length),
      SHA256: sha256(deb),
    }),
  ].join("\n");
}
