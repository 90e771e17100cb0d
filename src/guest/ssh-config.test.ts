import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "../../test/support/require.ts";
import { run } from "../host/run.ts";
import { lookUpTool } from "../host/tools.ts";
import { makeKeyPair } from "./keys.ts";
import { knownHosts, type SshPlaces, sshConfig } from "./ssh-config.ts";

const folder = mkdtempSync(join(tmpdir(), "ember-ssh-config-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const noSsh = skipUnless("openssh", lookUpTool("ssh") !== undefined, "ssh is not installed");

const web = { name: "web", vmId: "3f9c0a1b2c4d", user: "root" };
const plain: SshPlaces = {
  identityFile: "/state/key",
  knownHostsPath: "/state/known_hosts",
  program: ["/usr/bin/ember"],
  stateDir: "/state",
};

/** What OpenSSH itself reads out of a block. */
async function effective(places: SshPlaces, name: string): Promise<Map<string, string>> {
  const file = join(folder, "config");
  writeFileSync(file, sshConfig([web], places), { mode: 0o600 });
  const { stdout } = await run("ssh", ["-F", file, "-G", name]);
  const lines = stdout.trim().split("\n");
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]));
}

test("a block pins the host key and uses one key only", () => {
  const block = sshConfig([web], plain);
  expect(block.split("\n")[0]).toBe("Host web web.ember");
  for (const line of ["StrictHostKeyChecking yes", "IdentitiesOnly yes", "HostKeyAlias ember-3f9c0a1b2c4d"]) {
    expect(block).toContain(`\n  ${line}\n`);
  }
});

test("a path that the syntax cannot hold is refused", () => {
  for (const identityFile of ["/a\nProxyCommand evil", "/$" + "{HOME}/key", "/a\0b"]) {
    expect(() => sshConfig([web], { ...plain, identityFile })).toThrow(
      "cannot be written into an ssh configuration",
    );
  }
  expect(() => sshConfig([web], { ...plain, program: ["/a\nb"] })).toThrow("cannot be written");
});

test.skipIf(noSsh)("ssh reads back what was meant, under both names", async () => {
  for (const name of ["web", "web.ember"]) {
    const read = await effective(plain, name);
    expect(read.get("user")).toBe("root");
    expect(read.get("stricthostkeychecking")).toBe("true");
    expect(read.get("hostkeyalias")).toBe("ember-3f9c0a1b2c4d");
    expect(read.get("identityfile")).toBe("/state/key");
    expect(read.get("userknownhostsfile")).toBe("/state/known_hosts");
  }
});

test.skipIf(noSsh)(
  "ssh hands awkward paths to the proxy command as they are, and finds its files there",
  async () => {
    const awkward = join(folder, `it's 100% "odd" $HOME \\ %h`);
    mkdirSync(awkward);
    const pair = makeKeyPair("");
    const identityFile = join(awkward, "key");
    writeFileSync(identityFile, pair.privateKey, { mode: 0o600 });
    const knownHostsPath = join(awkward, "known_hosts");
    writeFileSync(knownHostsPath, knownHosts([{ vmId: web.vmId, hostPublicKey: pair.publicKey }]));
    const program = join(awkward, "proxy");
    writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$0" "$@" > "$(dirname "$0")/seen"\n`);
    chmodSync(program, 0o755);
    const file = join(folder, "config");
    const places = {
      identityFile,
      knownHostsPath,
      stateDir: awkward,
      program: [program, "a b", "%h", "$(id)"],
    };
    writeFileSync(file, sshConfig([web], places), { mode: 0o600 });
    const { stderr } = await run("ssh", ["-F", file, "-v", "-o", "BatchMode=yes", "web", "true"], {
      okStatuses: [255],
    });
    expect(readFileSync(join(awkward, "seen"), "utf8").trim().split("\n")).toEqual([
      ...places.program,
      "__proxy",
      "--state-dir",
      awkward,
      "web",
    ]);
    expect(stderr).toContain(`identity file ${identityFile.replaceAll("\\", "\\\\")} type 3`); // 3: it was read, ed25519
  },
);
