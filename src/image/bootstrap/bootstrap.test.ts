import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { identify } from "../../host/process-identity.ts";
import { WebServer } from "../../kernel/testing/web-server.ts";
import { makeImage } from "../make.ts";
import { tarOf } from "../tar/testing/tar-builder.ts";
import { Workshop } from "../testing/workshop.ts";
import { releaseOrigin } from "./bootstrap.ts";
import { debian } from "./debian.ts";
import type { Distribution } from "./distribution.ts";
import { nameOfRelease, parseRelease } from "./distributions.ts";
import { ubuntu, ubuntuKeyring } from "./ubuntu.ts";

setDefaultTimeout(60_000);

/** Stands for the real one: notes what it was given, does what the test says, and writes a small archive. */
const fakeTool = `#!/bin/sh
printf '%s\\n' "$@" > "$FAKE/arguments"
echo "$TMPDIR $SOURCE_DATE_EPOCH" > "$FAKE/environment"
echo run >> "$FAKE/runs"
for argument; do case "$argument" in /*root.tar) target=$argument;; esac; done
. "$FAKE/behaviour"
cp "$FAKE/result.tar" "$target"
`;

let workshop: Workshop;
let fake: string;
let mirror: WebServer;
const release = (text: string): void =>
  void mirror.files.set("/debian/dists/bookworm/InRelease", Buffer.from(text));

beforeEach(async () => {
  mirror = await WebServer.start(new Map());
  release("Date: Sat, 01 Nov 2025 10:00:00 UTC\nSuite: bookworm\n");
  fake = "";
  workshop = await Workshop.make();
  fake = join(workshop.home, "fake");
  mkdirSync(fake);
  writeFileSync(join(fake, "mmdebstrap"), fakeTool.replaceAll("$FAKE", fake));
  chmodSync(join(fake, "mmdebstrap"), 0o755);
  writeFileSync(join(fake, "result.tar"), tarOf({ path: "etc/os-release", content: "NAME=Debian" }));
  behave(":");
  Workshop.again(workshop.home, { environment: { PATH: fake } })[Symbol.dispose](); // finds tools there from now on
});
afterEach(async () => {
  workshop[Symbol.dispose]();
  await mirror[Symbol.asyncDispose]();
});

const behave = (script: string): void => writeFileSync(join(fake, "behaviour"), script);
const runs = (): number =>
  existsSync(join(fake, "runs")) ? readFileSync(join(fake, "runs"), "utf8").split("\n").length - 1 : 0;
const cached = (): string[] =>
  readdirSync(join(workshop.stateDir, "cache", "bootstrap")).filter((name) => name.endsWith(".tar"));

function bootstrap(options: { readonly signal?: AbortSignal; readonly name?: string } = {}) {
  const archives = [{ uri: `${mirror.url}/debian`, suite: "bookworm" }];
  return make({ ...debian, archives: () => archives }, "bookworm", options);
}

function make(
  distribution: Distribution,
  suite: string,
  options: { readonly signal?: AbortSignal; readonly name?: string } = {},
) {
  const origin = releaseOrigin({ distribution, suite }, join(workshop.stateDir, "cache"));
  return makeImage(
    workshop.installation,
    { name: options.name ?? distribution.name, origin, leases: ["cache"] },
    options,
  );
}

describe("bootstrap", () => {
  test("hands mmdebstrap a whole recipe, and makes the image of what comes out", async () => {
    const image = await bootstrap();
    expect(image).toMatchObject({ name: "debian", source: "debian:bookworm" });
    const words = readFileSync(join(fake, "arguments"), "utf8");
    expect(words).toContain(`deb ${mirror.url}/debian bookworm main\n`);
    expect(words).toMatch(/^--include=.*systemd-sysv.*dbus.*iproute2/m);
    expect(words).toMatch(/^--keyring=\/.+\.gpg$/m);
    const [temporary, epoch] = readFileSync(join(fake, "environment"), "utf8").trim().split(" ");
    expect(temporary).toBe(join(workshop.stateDir, "fetch", image.id, "tmp"));
    expect(epoch).toBe(String(Date.parse("2025-11-01T10:00:00Z") / 1000));
    expect(workshop.files()).toEqual([`storage/images/${image.id}.ext4`]);
  });

  test("makes it once for each state of the archive, for all installations that share a cache", async () => {
    const first = await bootstrap();
    expect(await bootstrap()).toEqual(first);
    await workshop.images.delete("debian");
    await bootstrap({ name: "other" });
    expect(runs()).toBe(1);
    release("Date: Sun, 02 Nov 2025 10:00:00 UTC\nSuite: bookworm\n");
    writeFileSync(join(fake, "result.tar"), tarOf({ path: "etc/os-release", content: "NAME=Newer" }));
    const second = await bootstrap({ name: "other" });
    expect(second.digest).not.toBe(first.digest);
    expect(runs()).toBe(2);
    expect(cached()).toHaveLength(1);
  });

  test("makes it again when what was kept is damaged", async () => {
    await bootstrap();
    await workshop.images.delete("debian");
    const [name = ""] = cached();
    writeFileSync(join(workshop.stateDir, "cache", "bootstrap", name), "damaged");
    await bootstrap();
    expect(runs()).toBe(2);
  });

  const failures: readonly (readonly [said: string, code: string])[] = [
    ["E: Failed to fetch http://x/y.deb  Connection failed", "download-failed"],
    ["W: GPG error: http://x bookworm InRelease: NO_PUBKEY 0E98404D386FA1D9", "verification-failed"],
    ["E: newuidmap failed", "permission-denied"],
    ["E: cannot write: No space left on device", "disk-full"],
    ["E: something else", "tool-failed"],
  ];
  for (const [said, code] of failures) {
    test(`that fails with '${said}' gives ${code}, and leaves nothing`, async () => {
      behave(`mkdir "$TMPDIR/mmdebstrap.x"; echo '${said}' >&2; exit 25`);
      await expect(bootstrap()).rejects.toMatchObject({
        code,
        message: expect.stringContaining(said.slice(3, 20)),
      });
      expect(workshop.files()).toEqual([]);
      expect(await workshop.images.list()).toEqual([]);
    });
  }

  test("that is interrupted ends all that mmdebstrap started", async () => {
    const abort = new AbortController();
    behave(`echo x > ${fake}/started; sleep 600 & wait`);
    const made = bootstrap({ signal: abort.signal });
    while (!existsSync(join(fake, "started"))) await sleep(10);
    const [pid] = sleepers();
    abort.abort();
    await expect(made).rejects.toMatchObject({ code: "interrupted" });
    while (sleepers().length > 0) await sleep(10);
    expect(pid === undefined || identify(pid) === undefined).toBe(true);
    expect(workshop.files()).toEqual([]);
  });

  test("of a suite that the mirror lacks says so", async () => {
    mirror.files.clear();
    await expect(bootstrap()).rejects.toMatchObject({
      code: "image-not-found",
      hint: expect.stringContaining("bookworm"),
    });
  });
});

/** Processes that a fake mmdebstrap of this test started. */
function sleepers(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(join(workshop.stateDir, "fetch"));
      } catch {
        return false; // it has ended
      }
    })
    .map(Number);
}

describe("bootstrap of an Ubuntu", () => {
  const noble = (changes: Partial<Distribution> = {}): Distribution => ({
    ...ubuntu,
    keyring: () => join(fake, "keys.gpg"),
    archives: () => ["noble", "noble-updates"].map((suite) => ({ uri: `${mirror.url}/ubuntu`, suite })),
    ...changes,
  });
  const publish = (...suites: string[]): void => {
    for (const suite of suites)
      mirror.files.set(`/ubuntu/dists/${suite}/InRelease`, Buffer.from("Date: x\n"));
  };

  test("differs in archives, components, keys and names, and in nothing else", async () => {
    publish("noble", "noble-updates");
    await bootstrap();
    const before = readFileSync(join(fake, "arguments"), "utf8");
    expect(await make(noble(), "noble")).toMatchObject({ name: "ubuntu", source: "ubuntu:noble" });
    const words = readFileSync(join(fake, "arguments"), "utf8");
    expect(words).toContain(`deb ${mirror.url}/ubuntu noble main universe\n`);
    expect(words).toContain(`deb ${mirror.url}/ubuntu noble-updates main universe\n`);
    expect(words).toContain(`--keyring=${join(fake, "keys.gpg")}\n`);
    expect(words).toContain("echo ubuntu > etc/hostname\n");
    expect(words).toContain("etc/systemd/system/motd-news.timer\n");
    const own = /debian|ubuntu|bookworm|noble|hooks|keyring|motd-news|root\.tar/;
    const shared = (text: string): string[] =>
      text
        .replace(",usr-is-merged", "")
        .split("\n")
        .filter((line) => !own.test(line));
    expect(shared(words)).toEqual(shared(before));
    expect(cached()).toHaveLength(2);
  });

  test("of a suite that the mirror lacks names one that there is", async () => {
    publish("noble");
    await expect(make(noble(), "noble")).rejects.toMatchObject({
      code: "image-not-found",
      message: expect.stringContaining("noble-updates"),
      hint: "write a codename that Ubuntu has: noble, jammy",
    });
  });

  test("without its keys fetches nothing, and says where they come from", async () => {
    publish("noble", "noble-updates");
    const keyring = (): string => ubuntuKeyring(join(fake, "absent.gpg"));
    await expect(make(noble({ keyring }), "noble")).rejects.toMatchObject({
      code: "host-unsupported",
      message: expect.stringContaining("absent.gpg"),
      hint: expect.stringContaining("'ubuntu-keyring'"),
    });
    expect(mirror.requests).toEqual([]);
    expect(runs()).toBe(0);
  });

  test("that is not signed with its keys names the package that has them", async () => {
    publish("noble", "noble-updates");
    behave("echo 'W: GPG error: http://x noble InRelease: NO_PUBKEY 871920D1991BC93C' >&2; exit 25");
    await expect(make(noble(), "noble")).rejects.toMatchObject({
      code: "verification-failed",
      hint: expect.stringContaining("ubuntu-keyring"),
    });
    expect(workshop.files()).toEqual([]);
  });
});

describe("releases", () => {
  test("are Debian and Ubuntu, and their suites", () => {
    const named = (text: string): string[] => {
      const release = parseRelease(text);
      return [release.distribution.title, release.suite, nameOfRelease(release)];
    };
    expect(named("debian")).toEqual(["Debian", "bookworm", "debian"]);
    expect(named("debian:bookworm")).toEqual(["Debian", "bookworm", "debian"]);
    expect(named("debian:trixie")).toEqual(["Debian", "trixie", "debian-trixie"]);
    expect(named("ubuntu")).toEqual(["Ubuntu", "noble", "ubuntu"]);
    expect(named("ubuntu:jammy")).toEqual(["Ubuntu", "jammy", "ubuntu-jammy"]);
    for (const text of [
      "fedora",
      "debian:",
      "ubuntu:",
      "debian:a b",
      "debian:../x",
      "ubuntu:x:y",
      "Debian",
      "debian:-x",
    ]) {
      expect(() => parseRelease(text)).toThrow();
    }
  });
});
