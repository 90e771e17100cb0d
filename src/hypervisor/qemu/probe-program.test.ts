import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setToolEnvironment } from "../../host/tools.ts";
import { probeQemu } from "./probe-program.ts";

const folder = mkdtempSync(join(tmpdir(), "ember-qemu-"));
afterEach(() => setToolEnvironment({}));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A QEMU that says no more than its version. */
function install(version: string): void {
  const path = join(folder, "qemu-system-x86_64");
  writeFileSync(path, `#!/bin/sh\necho 'QEMU emulator version ${version}'\n`, { mode: 0o755 });
  setToolEnvironment({ PATH: folder });
}

test("a QEMU that has no frames over a socket is refused before anything is started, with what to do", async () => {
  for (const version of ["6.2.0", "7.1.0 (v7.1.0-1)", "2.11"]) {
    install(version);
    expect(await probeQemu("x64")).toMatchObject({
      usable: false,
      reason: expect.stringContaining("needs 7.2 or newer"),
      hint: expect.stringContaining("install QEMU 7.2 or newer"),
    });
  }
});

test("a QEMU that has them is used", async () => {
  for (const version of ["7.2.0", "7.2.22 (Debian 1:7.2+dfsg-7)", "8.0.0", "10.1.2"]) {
    install(version);
    expect(await probeQemu("x64")).toMatchObject({ usable: true });
  }
});
