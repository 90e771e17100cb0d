// Compiles the executables: `build.ts host` makes dist/ember, `build.ts all` the four of a release, and `build.ts macos-test`
// one with macOS's drivers that runs on this host, for test/macos.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { arch, platform } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const dist = join(root, "dist");

interface Target {
  readonly os: "linux" | "darwin";
  readonly cpu: "x64" | "arm64";
}

const all: readonly Target[] = [
  { os: "linux", cpu: "x64" },
  { os: "linux", cpu: "arm64" },
  { os: "darwin", cpu: "x64" },
  { os: "darwin", cpu: "arm64" },
];

/**
 * Each executable is built with its own conditions, so that it holds its own platform's drivers, network process and guest binary only:
 * those of `drivers`, the system's own unless said otherwise.
 */
function build(target: Target, outfile: string, drivers: Target["os"] = target.os): void {
  const guest = target.cpu === "x64" ? "guest-amd64" : "guest-arm64";
  const result = spawnSync(
    process.execPath,
    [
      "build",
      "--compile",
      "--minify",
      "--bytecode",
      // Otherwise every node: module that a lazy part imports is loaded at start-up.
      "--splitting",
      "--format=esm",
      // The folder that a user happens to be in must not change what ember does, nor run code in it.
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      `--target=bun-${target.os}-${target.cpu}`,
      ...["compiled", drivers, guest, `net-${netName(target)}`].map(
        (condition) => `--conditions=${condition}`,
      ),
      // Optional native parts of ssh2, which it does without.
      "--external=cpu-features",
      "--external=*.node",
      join(root, "src/cli/main.ts"),
      `--outfile=${outfile}`,
    ],
    { cwd: root, encoding: "utf8" },
  );
  if (result.status !== 0) {
    process.stderr.write(`${result.stdout}${result.stderr}`);
    process.exit(1);
  }
  console.log(
    `built ${outfile.slice(root.length + 1)} (${Math.round(statSync(outfile).size / 2 ** 20)} MiB)`,
  );
}

/** The executable takes the digests of the binaries in it along, so that a start need not read them all. */
function writeDigest(path: string): void {
  const digest = createHash("sha256").update(readFileSync(path)).digest("hex");
  const digestPath = `${path}.sha256`;
  if (!existsSync(digestPath) || readFileSync(digestPath, "utf8") !== digest)
    writeFileSync(digestPath, digest);
}

/** The user network's process, named as Go names systems and processors. */
function netName({ os, cpu }: Target): string {
  return `${os}-${cpu === "x64" ? "amd64" : "arm64"}`;
}

/** Newest change of anything that goes into an executable. */
function newestInput(): number {
  const files = ["src", "dist/guest", "dist/net"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) =>
      join(root, folder, name),
    ),
  );
  const times = [...files, join(root, "package.json"), join(root, "package-lock.json"), import.meta.path]
    .map((file) => statSync(file))
    .filter((facts) => facts.isFile())
    .map((facts) => facts.mtimeMs);
  return Math.max(...times);
}

function buildIfOlder(target: Target, outfile: string, drivers: Target["os"] = target.os): void {
  if (existsSync(outfile) && statSync(outfile).mtimeMs > newestInput()) return;
  build(target, outfile, drivers);
}

mkdirSync(dist, { recursive: true });
const host: Target = {
  os: platform() === "darwin" ? "darwin" : "linux",
  cpu: arch() === "arm64" ? "arm64" : "x64",
};
for (const cpu of ["amd64", "arm64"]) writeDigest(join(dist, "guest", `ember-guest-${cpu}`));
for (const target of process.argv[2] === "all" ? all : [host])
  writeDigest(join(dist, "net", `ember-net-${netName(target)}`));
if (process.argv[2] === "all") {
  for (const target of all) buildIfOlder(target, join(dist, `ember-${target.os}-${target.cpu}`));
} else if (process.argv[2] === "macos-test") {
  mkdirSync(join(dist, "test"), { recursive: true });
  buildIfOlder(host, join(dist, "test", "ember-macos"), "darwin");
} else {
  buildIfOlder(host, join(dist, "ember"));
}
