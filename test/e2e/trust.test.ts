import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAuthority } from "../../src/network/authority.ts";
import type { StoredSecrets } from "../../src/vm/secrets.ts";
import { TestInstallation } from "../support/ember.ts";
import { busyboxImages } from "../support/images.ts";
import { writeLayout } from "../support/layouts.ts";
import { TestRegistry } from "../support/registry.ts";

// What a real guest trusts: the authority of its secrets while it has some, in memory alone.
const ember = new TestInstallation();
let registry: TestRegistry | undefined;
let work: string;
let secretsFile: string;
const stored: StoredSecrets = { authority: makeAuthority("bot"), secrets: [] };
const bundle = "/etc/ssl/certs/ca-certificates.crt";

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "ember-trust-"));
  const started = await TestRegistry.start();
  registry = started;
  for (const [name, image] of Object.entries(busyboxImages).slice(0, 1)) {
    const layout = join(work, name);
    writeLayout(layout, { ...image(), docker: false });
    started.push(layout, "test/busybox");
  }
  await ember.ok(["init"]);
  const reference = `${started.host}/test/busybox:latest`;
  await ember.ok(["image", "pull", reference, "--name", "busybox", "--no-tls-verify"]);
  await ember.ok(["vm", "create", "bot", "--image", "busybox", "--memory", "256M"]);
  await ember.ok(["vm", "stop", "bot"]);
  const { id } = JSON.parse(await ember.ok(["vm", "inspect", "bot", "--format", "json"]));
  secretsFile = join(ember.stateDir, "vms", id, "secrets.json");
}, 300_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

async function shell(script: string): Promise<string> {
  const { stdout, stderr, status } = await ember.run(["exec", "bot", "--", "sh", "-c", script]);
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return stdout;
}

test("the guest of a VM with secrets trusts their authority, in the bundle and by the environment", async () => {
  // As 'vm create --secret' writes it, whether or not this network has a use for it.
  writeFileSync(secretsFile, JSON.stringify(stored), { mode: 0o600 });
  await ember.ok(["vm", "start", "bot"]);
  const { certificate } = stored.authority;
  expect(await shell(`cat ${bundle}`)).toBe(certificate);
  expect(await shell('cat "$NODE_EXTRA_CA_CERTS" "$SSL_CERT_FILE"')).toBe(certificate + certificate);
  expect(await shell("cat /usr/local/share/ca-certificates/*.crt")).toBe(certificate);
}, 180_000);

test("what programs change among the certificates is there after a restart, and the authority is not", async () => {
  await shell(
    `echo changed >> ${bundle}; mv ${bundle} ${bundle}.new; mv ${bundle}.new ${bundle}; echo own > /etc/ssl/certs/own.pem`,
  );
  await shell("until cat /run/ember/trust/*/disk/own.pem 2>/dev/null; do sleep 0.1; done");
  await ember.ok(["vm", "stop", "bot"]);
  rmSync(secretsFile);
  await ember.ok(["vm", "start", "bot"]);
  expect(
    await shell(`cat /etc/ssl/certs/own.pem; echo "$SSL_CERT_FILE"; ls /usr/local/share/ca-certificates`),
  ).toBe("own\n\n");
  expect(await shell("grep -rl CERTIFICATE /etc /usr/local/share || true")).toBe("");
}, 180_000);

test("each fork has an authority of its own", async () => {
  writeFileSync(secretsFile, JSON.stringify(stored), { mode: 0o600 });
  await ember.ok(["vm", "fork", "bot", "one", "--no-start"]);
  await ember.ok(["vm", "fork", "bot", "more", "--count", "2", "--no-start"]);
  const certificates = new Set([stored.authority.certificate]);
  for (const name of ["one", "more-1", "more-2"]) {
    const { id } = JSON.parse(await ember.ok(["vm", "inspect", name, "--format", "json"]));
    const path = join(ember.stateDir, "vms", id, "secrets.json");
    certificates.add(JSON.parse(readFileSync(path, "utf8")).authority.certificate);
  }
  expect(certificates.size).toBe(4);
}, 120_000);
