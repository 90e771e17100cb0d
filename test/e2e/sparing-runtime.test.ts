import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { executable, TestInstallation } from "../support/ember.ts";
import { missingForRegistry } from "../support/registry.ts";
import { skipUnless } from "../support/require.ts";

// Commands that write an image's disk run with other options of the runtime (src/cli/sparing-runtime.ts): only the executable can.

const missing = process.platform === "linux" ? missingForRegistry() : "no /proc";
const skip = skipUnless("registry", missing === undefined, missing ?? "");

test.skipIf(skip)(
  "a pull begins anew as the same process, with the same arguments, and ends at a signal",
  async () => {
    await using ember = new TestInstallation();
    await ember.ok(["init"]);
    const silent = createServer();
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const args = ["image", "pull", `127.0.0.1:${port}/a:1`, "--name", "it", "--no-tls-verify", "--quiet"];
    const child = spawn(executable, args, { env: ember.environment, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stderr.on("data", (text) => {
      said += text;
    });
    await once(silent, "connection"); // by now skopeo asks for the manifest
    const fact = (name: string): string[] =>
      readFileSync(`/proc/${child.pid}/${name}`, "utf8").split("\0").slice(0, -1);
    expect(fact("environ")).toContain("BUN_JSC_useFTLJIT=0");
    expect(fact("environ")).toContain("BUN_JSC_forceRAMSize=167772160");
    expect(fact("environ")).toContain(`EMBER_STATE_DIR=${ember.stateDir}`);
    expect(fact("cmdline").slice(1)).toEqual(args);
    child.kill("SIGINT");
    const [status] = await once(child, "close");
    expect({ status, said }).toMatchObject({ status: 130, said: expect.stringContaining("interrupted") });
    silent.close();
  },
  60_000,
);
