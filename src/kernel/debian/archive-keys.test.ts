import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "../../../test/support/require.ts";
import { lookUpTool } from "../../host/tools.ts";
import { archiveKeys } from "./archive-keys.ts";

const skip = skipUnless("gpg", lookUpTool("gpg") !== undefined, "gpg is not installed");

test.skipIf(skip)("the keys that come along are Debian's stable release keys, and no others", () => {
  const home = mkdtempSync(join(tmpdir(), "ember-keys-"));
  try {
    writeFileSync(join(home, "keys.gpg"), archiveKeys());
    const args = ["--homedir", home, "--batch", "--with-colons", "--show-keys", join(home, "keys.gpg")];
    const lines = spawnSync("gpg", args, { encoding: "utf8" }).stdout.split("\n");
    const fingerprints = lines.filter((line) => line.startsWith("fpr:")).map((line) => line.split(":")[9]);
    expect(fingerprints).toEqual([
      "4D64FEC119C2029067D6E791F8D2585B8783D481", // https://ftp-master.debian.org/keys.html
      "41587F7DB8C774BCCF131416762F67A0B2C39DE4",
    ]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
