import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeAuthority } from "./authority.ts";

test("an authority is a certificate of its own key that may sign for hosts", () => {
  const { certificate, key } = makeAuthority("web");
  const parsed = new X509Certificate(certificate);
  expect(parsed.ca).toBe(true);
  expect(parsed.subject).toBe("CN=ember authority of web");
  expect(parsed.issuer).toBe(parsed.subject);
  expect(parsed.checkPrivateKey(createPrivateKey(key))).toBe(true);
  expect(parsed.verify(parsed.publicKey)).toBe(true);
  expect(Date.parse(parsed.validFrom)).toBeLessThan(Date.now());
  expect(Date.parse(parsed.validTo)).toBeGreaterThan(Date.now() + 9 * 365 * 86_400_000);
});

test("no two are the same, whatever the name", () => {
  const [one, other] = [makeAuthority("web"), makeAuthority("web")];
  expect(one.key).not.toBe(other.key);
  expect(new X509Certificate(one.certificate).serialNumber).not.toBe(
    new X509Certificate(other.certificate).serialNumber,
  );
  expect(new X509Certificate(makeAuthority("n".repeat(63)).certificate).ca).toBe(true);
});

test("years after 2049 are written with four digits", () => {
  const parsed = new X509Certificate(makeAuthority("web", new Date("2045-06-01T00:00:00Z")).certificate);
  expect(parsed.validTo).toContain("2055");
});

test("OpenSSL accepts it, and what it signs for a host", () => {
  const folder = mkdtempSync(join(tmpdir(), "ember-authority-"));
  const openssl = (...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync("openssl", args, { cwd: folder, encoding: "utf8" });
    if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  try {
    const { certificate, key } = makeAuthority("web");
    writeFileSync(join(folder, "ca.pem"), certificate);
    writeFileSync(join(folder, "ca.key"), key);
    const subject = ["-subj", "/CN=api.example", "-addext", "subjectAltName=DNS:api.example"];
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "h.key", "-out", "h.csr", ...subject);
    openssl(
      "x509",
      "-req",
      "-in",
      "h.csr",
      "-CA",
      "ca.pem",
      "-CAkey",
      "ca.key",
      "-out",
      "h.pem",
      "-days",
      "1",
    );
    expect(openssl("verify", "-x509_strict", "-CAfile", "ca.pem", "ca.pem")).toContain("OK");
    expect(openssl("verify", "-CAfile", "ca.pem", "h.pem")).toContain("OK");
    expect(openssl("x509", "-in", "ca.pem", "-noout", "-text")).toContain("CA:TRUE, pathlen:0");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
