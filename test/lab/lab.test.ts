import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { lookUpTool } from "../../src/host/tools.ts";
import { skipUnless } from "../support/require.ts";
import type { GuestResult } from "./guest.ts";
import { Lab } from "./lab.ts";

// ZFS and device-mapper, on a kernel that has them: the drivers' own suites, and whole commands over these storages.

const tools = ["qemu-system-x86_64", "mmdebstrap", "gcc", "make", "dpkg-deb", "apt-get", "depmod"];
const absent = tools.filter((tool) => lookUpTool(tool) === undefined);
const reason =
  process.getuid?.() !== 0
    ? "the lab's root file system is built as root"
    : absent.length > 0
      ? `not installed: ${absent.join(", ")}`
      : process.arch === "x64"
        ? undefined
        : "the lab is built for x86-64";
const skipped = skipUnless("storage-lab", reason === undefined, `the storage lab: ${reason}`);

/** The guest has two processors: what is named together runs at once. Nothing may be skipped (guestRequirements). */
const suites: readonly { readonly name: string; readonly runs: readonly Run[] }[] = [
  {
    name: "the storage suite and the drivers' own",
    runs: [
      { storage: "zfs", paths: ["src/storage/zfs", "src/host/zfs"] },
      {
        storage: "dm-thin",
        // Control groups have nothing to do with storage, but need a kernel whose controllers no cgroup v1 holds.
        paths: ["src/storage/dm-thin", "src/host/dmsetup", "src/host/thin-tools", "src/host/cgroup"],
      },
    ],
  },
  { name: "whole commands", runs: both("test/e2e/storage-use.test.ts") },
  { name: "commands killed at every step", runs: both("test/e2e/storage-kills.test.ts") },
];

interface Run {
  readonly storage: string;
  readonly paths: readonly string[];
}

function both(path: string): readonly Run[] {
  return ["zfs", "dm-thin"].map((storage) => ({ storage, paths: [path] }));
}

describe.skipIf(skipped)("in a guest with ZFS and device-mapper", () => {
  let lab: Lab | undefined;

  beforeAll(async () => {
    lab = await Lab.boot();
  }, 3_600_000);

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  }, 120_000);

  for (const { name, runs } of suites) {
    test(name, async () => {
      const results = await Promise.all(runs.map(({ storage, paths }) => runIn(lab, storage, paths)));
      for (const result of results) expect(result).toMatchObject({ status: 0, failed: 0 });
      for (const result of results) expect(result.passed).toBeGreaterThan(0);
    }, 3_600_000);
  }
});

async function runIn(
  lab: Lab | undefined,
  storage: string,
  paths: readonly string[],
): Promise<{ readonly status: number | undefined; readonly passed: number; readonly failed: number }> {
  const command = [
    "env",
    `EMBER_STORAGES=${storage}`,
    "bun",
    "test",
    "--conditions=linux",
    "--timeout=600000",
  ];
  const result = await lab?.run([...command, ...paths], {
    timeoutMs: 3_000_000,
    onOutput: (text) => process.stderr.write(text),
  });
  const [passed, failed] = [count("pass", result), count("fail", result)];
  console.log(`${storage}, ${paths.join(" ")}: ${passed} passed, ${failed} failed in the guest`);
  return { status: result?.status, passed, failed };
}

/** What Bun's summary says: " 12 pass". */
function count(word: string, result: GuestResult | undefined): number {
  return Number(new RegExp(`^\\s*(\\d+) ${word}$`, "m").exec(result?.stderr ?? "")?.[1] ?? 0);
}
