import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { makeArm64Image, makeBzImage } from "./fake-kernel.ts";

export interface FakeSource {
  /** What the target for the kernel does. Default: copies a fake bzImage and a fake Image to their places. */
  readonly recipe?: string;
  /** Options that this source does not know. */
  readonly unknownOptions?: readonly string[];
  readonly version?: string;
}

/** As the real one is called, with what is asked for in the end: the last of two values holds, what is off is left out. */
const mergeScript = `set -e
[ "$1 $2" = "-n -O" ]
[ -d "$3" ]
sed -n 's/^# \\(CONFIG_[A-Za-z0-9_]*\\) is not set$/\\1=n/p; /^CONFIG_/p' "$4" > "$3/all"
sort -s -t= -k1,1 "$3/all" | awk -F= '{ last[$1] = $0 } END { for (name in last) if (last[name] !~ /=n$/) print last[name] }' |
  grep -v -x -F -f unknown > "$3/.config"
echo "# CONFIG_MERGED by $ARCH" >> "$3/.config"
`;

const compile = `mkdir -p $(O)/arch/x86/boot $(O)/arch/arm64/boot
\tcp bzImage $(O)/arch/x86/boot/bzImage
\tcp Image $(O)/arch/arm64/boot/Image`;

/** A tar archive of a source tree with the targets and scripts that a build of a kernel calls, and nothing else. */
export function makeSource({
  recipe = compile,
  unknownOptions = [],
  version = "6.1.99",
}: FakeSource = {}): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "ember-source-"));
  const tree = join(folder, `linux-${version}`);
  const write = (path: string, content: string | Buffer): void => writeFileSync(join(tree, path), content);
  try {
    mkdirSync(join(tree, "scripts", "kconfig"), { recursive: true });
    write("scripts/kconfig/merge_config.sh", mergeScript);
    write("unknown", unknownOptions.map((name) => `${name}=y\n`).join("") || "nothing\n");
    write("bzImage", makeBzImage({ version }));
    write("Image", makeArm64Image(version));
    write(
      "Makefile",
      `olddefconfig:\n\t@test -f $(O)/.config\nkernelrelease:\n\t@echo ${version}\n.PHONY: bzImage Image\nbzImage Image:\n\t@echo "  CC      kernel/fork.o"\n\t${recipe}\n`,
    );
    const tar = spawnSync("tar", ["-c", "-C", folder, `linux-${version}`], { maxBuffer: 2 ** 26 });
    if (tar.status !== 0) throw new Error(`tar: ${tar.stderr}`);
    return tar.stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A file in `folder` with a fake source, compressed, and what verifies it. */
export function writeFakeSource(folder: string, fake?: FakeSource): { from: string; sha256: string } {
  const content = gzipSync(makeSource(fake));
  const from = join(folder, "linux.tar.gz");
  writeFileSync(from, content);
  return { from, sha256: createHash("sha256").update(content).digest("hex") };
}
