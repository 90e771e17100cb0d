import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "../../test/support/require.ts";
import { run } from "../host/run.ts";
import { lookUpTool } from "../host/tools.ts";
import { fingerprint, makeKeyPair, publicKeyBlob, publicKeyOf } from "./keys.ts";

const folder = mkdtempSync(join(tmpdir(), "ember-keys-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the public key can be worked out from the private one", () => {
  const pair = makeKeyPair("ember");
  expect(publicKeyOf(pair.privateKey, "ember")).toBe(pair.publicKey);
});

test("every pair is a new one", () => {
  expect(makeKeyPair("x").publicKey).not.toBe(makeKeyPair("x").publicKey);
});

test("a line that holds another kind of key, or garbage, is refused", () => {
  for (const line of ["", "ssh-rsa AAAAB3NzaC1yc2E=", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 !!!"]) {
    expect(() => publicKeyBlob(line)).toThrow("is not an ssh-ed25519 public key");
  }
});

test("a comment cannot smuggle a second line in", () => {
  expect(() => makeKeyPair("a\nssh-ed25519 AAAA evil")).toThrow("one line");
});

const keygen = skipUnless("openssh", lookUpTool("ssh-keygen") !== undefined, "ssh-keygen is not installed");

test.skipIf(keygen)("ssh-keygen reads both halves and agrees on the fingerprint", async () => {
  for (const comment of ["", "a", "ember vm web", "seven77", "ünïcode"]) {
    const pair = makeKeyPair(comment);
    const file = join(folder, "key");
    writeFileSync(file, pair.privateKey, { mode: 0o600 });
    writeFileSync(`${file}.pub`, `${pair.publicKey}\n`);
    expect((await run("ssh-keygen", ["-y", "-f", file])).stdout.trim()).toBe(pair.publicKey);
    const listed = (await run("ssh-keygen", ["-l", "-f", `${file}.pub`])).stdout;
    expect(listed).toContain(`256 ${fingerprint(publicKeyBlob(pair.publicKey))} `);
    rmSync(file);
  }
});
