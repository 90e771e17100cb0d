import { describe, expect, test } from "bun:test";
import { explainSkopeo } from "./failure.ts";

const fatal = (message: string): string =>
  `time="2026-01-01T00:00:00Z" level=warning msg="something else"\ntime="2026-01-01T00:00:00Z" level=fatal msg=${JSON.stringify(message)}\n`;
const subject = { what: "ghcr.io/a/b:1", registry: "ghcr.io" };

describe("what skopeo says", () => {
  const corpus: readonly (readonly [said: string, code: string, told: RegExp])[] = [
    [
      "Requesting bearer token: invalid status code from registry 401 (Unauthorized)",
      "registry-failed",
      /skopeo login ghcr\.io/,
    ],
    [
      "unable to retrieve auth token: invalid username/password: unauthorized: incorrect username",
      "registry-failed",
      /skopeo login/,
    ],
    [
      "reading manifest 1 in ghcr.io/a/b: errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n",
      "registry-failed",
      /skopeo login/,
    ],
    ["reading manifest 1 in ghcr.io/a/b: manifest unknown", "image-not-found", /has no image/],
    [
      "reading manifest 1 in ghcr.io/a/b: name unknown: repository not found",
      "image-not-found",
      /has no image/,
    ],
    [
      'pinging container registry ghcr.io: Get "https://ghcr.io/v2/": x509: certificate signed by unknown authority',
      "registry-failed",
      /--no-tls-verify/,
    ],
    ['Get "https://ghcr.io/v2/": tls: failed to verify certificate', "registry-failed", /--no-tls-verify/],
    [
      'Get "https://ghcr.io/v2/": dial tcp: lookup ghcr.io: no such host',
      "registry-failed",
      /cannot be reached/,
    ],
    ['Get "https://ghcr.io/v2/": dial tcp 1.2.3.4:443: i/o timeout', "registry-failed", /cannot be reached/],
    [
      'Get "https://ghcr.io/v2/": proxyconnect tcp: dial tcp 1.2.3.4:3128: connect: connection refused',
      "registry-failed",
      /cannot be reached/,
    ],
    [
      "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating",
      "registry-failed",
      /allows no more pulls/,
    ],
    ["received unexpected HTTP status: 502 Bad Gateway", "registry-failed", /answered with an error/],
    [
      'no image found in manifest list for architecture arm64, variant "v8", OS linux',
      "image-not-found",
      /--platform/,
    ],
    ["writing blob: write layout/x: no space left on device", "disk-full", /free some space/],
    ["Digest did not match, expected sha256:aa, got sha256:bb", "verification-failed", /try again/],
    ["something new", "registry-failed", /something new/],
    ["", "registry-failed", /cannot be pulled/],
  ];
  for (const [said, code, told] of corpus) {
    test(`'${said.slice(0, 60).replace(/\n/g, " ")}' is ${code}`, () => {
      const error = explainSkopeo(fatal(said), subject);
      expect(error.code).toMatch(code);
      expect(`${error.message} ${error.hint ?? ""}`).toMatch(told);
    });
  }

  test("of a push speaks of a push", () => {
    const pushed = { ...subject, isPushed: true };
    expect(explainSkopeo(fatal("denied: requested access"), pushed).message).toContain("does not take it");
    expect(explainSkopeo(fatal("something new"), pushed).message).toContain("cannot be pushed");
  });

  test("is shown on one line, without what may be a secret in an address", () => {
    const said = 'Get "https://cdn.example/blob?X-Amz-Signature=secret&x=1": stopped\n\u001b[31mafter\u0000';
    const { message } = explainSkopeo(fatal(said), subject);
    expect(message).toContain("https://cdn.example/blob?...");
    expect(message).not.toContain("secret");
    expect(message).toMatch(/^[\x20-\x7e]+$/);
    expect(explainSkopeo("x".repeat(100_000), subject).message.length).toBeLessThan(600);
  });

  test("of an archive is about the archive", () => {
    const archive = { what: "docker-archive:/x.tar", registry: undefined };
    const several = "loading manifest: Unexpected tar manifest.json: expected 1 item, got 2";
    expect(explainSkopeo(fatal(several), archive)).toMatchObject({ code: "invalid-reference" });
    expect(explainSkopeo(fatal("archive/tar: invalid tar header"), archive)).toMatchObject({
      code: "image-invalid",
    });
  });
});
