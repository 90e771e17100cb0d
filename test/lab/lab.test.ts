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

/** What is run in the guest, each by a process of its own; nothing may be skipped there (guestRequirements). */
const suites: readonly { readonly name: string; readonly paths: readonly string[] }[] = [
  { name: "zfs: the storage suite and its own", paths: ["src/storage/zfs", "src/host/zfs"] },
  {
    name: "dm-thin: the storage suite and its own",
    paths: ["src/storage/dm-thin", "src/host/dmsetup", "src/host/thin-tools"],
  },
  { name: "commands over zfs and dm-thin", paths: ["test/e2e/storage-use.test.ts"] },
  { name: "commands killed at every step over zfs and dm-thin", paths: ["test/e2e/storage-kills.test.ts"] },
];

describe.skipIf(skipped)("in a guest with ZFS and device-mapper", () => {
  let lab: Lab | undefined;

  beforeAll(async () => {
    lab = await Lab.boot();
  }, 3_600_000);

  afterAll(async () => {
    await lab?.[Symbol.asyncDispose]();
  }, 120_000);

  for (const { name, paths } of suites) {
    test(name, async () => {
      const command = [
        "env",
        "EMBER_STORAGES=zfs,dm-thin",
        "bun",
        "test",
        "--conditions=linux",
        "--timeout=600000",
      ];
      const result = await lab?.run([...command, ...paths], {
        timeoutMs: 2_400_000,
        onOutput: (text) => process.stderr.write(text),
      });
      const passed = count("pass", result);
      const failed = count("fail", result);
      console.log(`${name}: ${passed} passed, ${failed} failed in the guest`);
      expect({ status: result?.status, failed }).toEqual({ status: 0, failed: 0 });
      expect(passed).toBeGreaterThan(0);
    }, 2_500_000);
  }
});

/** What Bun's summary says: " 12 pass". */
function count(word: string, result: GuestResult | undefined): number {
  return Number(new RegExp(`^\\s*(\\d+) ${word}$`, "m").exec(result?.stderr ?? "")?.[1] ?? 0);
}
