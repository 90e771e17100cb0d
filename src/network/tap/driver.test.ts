import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { skipUnless } from "../../../test/support/require.ts";
import { networkContext } from "../testing/context.ts";
import { createInspector } from "../user/inspector.ts";
import { createTapNetwork } from "./driver.ts";

const context = networkContext({ installationId: "0123abcd" });
const probe = await createTapNetwork(context, async () => createInspector(context)).probe();
const skipped = skipUnless("tap", probe.usable, probe.usable ? "" : `the tap network: ${probe.reason}`);

// In a network namespace of their own, so that nothing of this host's network changes.
test.skipIf(skipped)(
  "the driver's tests pass in a network of their own",
  () => {
    const file = join(import.meta.dir, "testing", "in-namespace.ts");
    const args = [
      "--net",
      "--mount",
      "--",
      process.execPath,
      "test",
      "--conditions=linux",
      "--timeout=60000",
      `./${file.slice(1)}`,
    ];
    const result = spawnSync("unshare", args, { cwd: "/", encoding: "utf8", timeout: 240_000 });
    process.stderr.write(result.stderr);
    expect(result.stderr).toMatch(/^ [1-9]\d* pass$/m);
    expect(result.status).toBe(0);
  },
  300_000,
);
