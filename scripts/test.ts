// `make test`: every check and test, one after the other, and a last line "N passed, N failed" (", N skipped").
import { spawn } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const bun = process.execPath;
const quick = process.argv.includes("--quick");
const lintOnly = process.argv.includes("--lint");

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Suite {
  readonly name: string;
  readonly command: readonly string[];
  readonly cwd?: string;
  /** What it must not skip besides what none may. */
  readonly requires?: string;
  /** Reads the counts from what the suite printed; without it the suite is one test, and its status the result. */
  readonly count?: (output: string) => Counts;
}

/** Everything that this machine must be able to do: a test that would skip one of these fails instead. */
const required =
  "root,xfs,btrfs,mount,qcow2,reflink,qemu,skopeo,registry,umoci,e2fsck,getfattr,tar,xz,gpg,openssh,setpriv,tap,netns,mke2fs,firecracker-double,storage-lab,builder,kernel-toolchain,sfdisk,cloud-image";

const lint: readonly Suite[] = [
  { name: "types", command: [join(root, "node_modules/.bin/tsc"), "-p", "."] },
  {
    name: "format and style",
    command: [join(root, "node_modules/.bin/biome"), "ci", "--error-on-warnings", "."],
  },
  { name: "docs are up to date", command: [bun, "scripts/docs.ts", "--check"] },
  { name: "imports point inward", command: [bun, "scripts/check-layers.ts"] },
  ...["guest", "net"].flatMap((cwd) => [
    { name: `go vet of ${cwd}/`, command: ["go", "vet", "./..."], cwd },
    {
      name: `gofmt of ${cwd}/`,
      command: ["bash", "-c", 'test -z "$(gofmt -l .)" || { gofmt -d . | head -50; exit 1; }'],
      cwd,
    },
  ]),
];

/** What users of macOS do as those of Linux: the same tests, of the executable with macOS's drivers. */
const onMacos =
  "lifecycle snapshots resize run-and-ports systemd storage-use bad-input unprivileged kills".split(" ");

const suites: readonly Suite[] = [
  { name: "guest", command: ["go", "test", "-json", "./..."], cwd: "guest", count: countGo },
  { name: "ember-net", command: ["go", "test", "-json", "./..."], cwd: "net", count: countGo },
  {
    name: "unit and contract",
    command: [bun, "test", "src", "test/contract", "test/support", "test/fuzz"],
    count: countBun,
  },
  { name: "end to end", command: [bun, "test", "--timeout=600000", "test/e2e"], count: countBun },
  { name: "packages", command: [bun, "test", "--timeout=120000", "test/packaging"], count: countBun },
  { name: "ember-vz", command: [join(root, "scripts/vz"), "test"], count: countSwift },
  {
    name: "macOS on this host",
    command: [
      join(root, "test/macos/run"),
      ...[bun, "test", "--conditions=darwin", "--timeout=600000"],
      ...["./test/macos", ...onMacos.map((name) => `./test/e2e/${name}.test.ts`)],
    ],
    requires: ",vz,apfs",
    count: countBun,
  },
  { name: "storage lab", command: [bun, "test", "--timeout=3600000", "test/lab"], count: countBun },
  { name: "examples on Bun and Node", command: [bun, "scripts/run-examples.ts"] },
];

function countBun(output: string): Counts {
  // The last summary: the lab shows those of its guest before its own.
  const summary = output.slice(output.lastIndexOf(" pass\n", output.lastIndexOf("\nRan ")) - 12);
  const number = (word: string): number =>
    Number(new RegExp(`^\\s*(\\d+) ${word}$`, "m").exec(summary)?.[1] ?? 0);
  const counts = { passed: number("pass"), failed: number("fail"), skipped: number("skip") };
  return counts.passed + counts.failed === 0 ? { passed: 0, failed: 1, skipped: 0 } : counts;
}

/** The last line of its kind is of all bundles; those skipped are among the executed. */
function countSwift(output: string): Counts {
  const totals = /Executed (\d+) tests?, with (?:(\d+) tests? skipped and )?(\d+) failures?/g;
  const [, executed = "0", skipped = "0", failed = "1"] = Array.from(output.matchAll(totals)).at(-1) ?? [];
  const passed = Number(executed) - Number(skipped) - Number(failed);
  return { passed, failed: Number(failed), skipped: Number(skipped) };
}

function countGo(output: string): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const line of output.split("\n")) {
    if (!line.startsWith("{")) continue;
    const event: { Action?: string; Test?: string } = JSON.parse(line);
    if (event.Test === undefined && event.Action !== "fail") continue;
    if (event.Action === "pass") counts.passed++;
    if (event.Action === "fail") counts.failed++;
    if (event.Action === "skip") counts.skipped++;
  }
  return counts;
}

/** Runs one suite with its output shown (Go's JSON as plain lines); Ctrl-C ends it with us. */
async function runSuite(suite: Suite): Promise<Counts> {
  console.log(`\n== ${suite.name}`);
  const started = performance.now();
  const [command = "", ...args] = suite.command;
  const child = spawn(command, args, {
    cwd: join(root, suite.cwd ?? "."),
    env: { ...process.env, EMBER_REQUIRE: process.env["EMBER_REQUIRE"] ?? required + (suite.requires ?? "") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const onData = (chunk: Buffer): void => {
    output += chunk.toString();
    process.stdout.write(suite.count === countGo ? goOutput(chunk.toString()) : chunk);
  };
  child.stdout.on("data", onData);
  child.stderr.on("data", onData);
  const status = await new Promise<number>((resolve) => {
    child.on("close", (code) => resolve(code ?? 1));
    child.on("error", (error) => {
      console.log(error.message);
      resolve(1);
    });
  });
  const seconds = Math.round((performance.now() - started) / 1000);
  failures.push(...failuresIn(output));
  const counts = suite.count?.(output) ?? {
    passed: status === 0 ? 1 : 0,
    failed: status === 0 ? 0 : 1,
    skipped: 0,
  };
  // A suite that ended badly without naming a failed test has failed all the same.
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  console.log(`-- ${suite.name}: ${counts.passed} passed, ${counts.failed} failed, ${seconds} s`);
  return counts;
}

/** The failed tests of Bun's, each with the end of what was printed before it: a log may be read from its end alone. */
function failuresIn(output: string): string[] {
  const told = new Map<string, string>(); // Bun lists them again at the end
  let before: string[] = [];
  for (const line of output.split("\n")) {
    if (line.startsWith("(fail) ") && !told.has(line))
      told.set(line, [...before.slice(-40), line].join("\n"));
    if (/^\((pass|fail|skip)\) /.test(line)) before = [];
    else before.push(line);
  }
  return [...told.values()];
}

function goOutput(chunk: string): string {
  return chunk
    .split("\n")
    .flatMap((line) => {
      if (!line.startsWith("{")) return [];
      try {
        const event: { Action?: string; Output?: string } = JSON.parse(line);
        const text = event.Output ?? "";
        return event.Action === "output" && /^(ok|FAIL|---\s*FAIL|panic|\s+\S+\.go:)/.test(text)
          ? [text]
          : [];
      } catch {
        return []; // a line cut between two chunks: it is still counted
      }
    })
    .join("");
}

const chosen = lintOnly ? lint : quick ? [...lint, ...suites.slice(0, 3)] : [...lint, ...suites];
const total: Counts = { passed: 0, failed: 0, skipped: 0 };
const bad: string[] = [];
const failures: string[] = [];
for (const suite of chosen) {
  const counts = await runSuite(suite);
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
  if (counts.failed > 0) bad.push(suite.name);
}
if (bad.length > 0) console.log(["", ...failures, `failed: ${bad.join(", ")}`].join("\n"));
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : "";
console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
process.exit(total.failed === 0 ? 0 : 1);
