import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { file, layer } from "../../../test/support/images.ts";
import { writeLayout } from "../../../test/support/layouts.ts";
import { missingForRegistry, TestRegistry } from "../../../test/support/registry.ts";
import { type ProxyOptions, RegistryProxy } from "../../../test/support/registry-proxy.ts";
import { skipUnless } from "../../../test/support/require.ts";
import { hostArchitecture } from "../../guest/binary/architecture.ts";
import { setToolEnvironment } from "../../host/tools.ts";
import type { PullImageOptions } from "../../types.ts";
import { parsePlatform } from "../oci/platform.ts";
import { fetchManifest } from "../skopeo/skopeo.ts";
import { Workshop } from "../testing/workshop.ts";

// How registries are reached: mirrors, certificates, logins, and what is tried again.

const missing = missingForRegistry();
const skip = skipUnless("registry", missing === undefined, missing ?? "");
setDefaultTimeout(60_000);

const login = `Basic ${Buffer.from("kim:secret").toString("base64")}`;

describe.skipIf(skip)("a registry", () => {
  let registry: TestRegistry;
  let other: TestRegistry;
  let workshop: Workshop;
  let proxies: RegistryProxy[];
  beforeAll(async () => {
    [registry, other] = await Promise.all([TestRegistry.start(), TestRegistry.start()]);
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    workshop = await Workshop.make();
    proxies = [];
  });
  afterEach(async () => {
    setToolEnvironment({});
    for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
    workshop[Symbol.dispose]();
  });

  const before = async (options: ProxyOptions, upstream = registry): Promise<RegistryProxy> => {
    const proxy = await RegistryProxy.start(upstream.host, options);
    proxies.push(proxy);
    return proxy;
  };
  const push = (where: TestRegistry, name: string, content: string): string => {
    const layout = join(workshop.home, `layout-${content}`);
    const noise = `${content}${"x".repeat(100)}`;
    const digest = writeLayout(layout, {
      layers: [layer([file("a", noise)]), layer([file("b", noise)])],
      platform: `linux/${hostArchitecture()}`,
    });
    where.push(layout, name);
    return digest;
  };
  const pull = (reference: string, options: Partial<PullImageOptions> = { tlsVerify: false }) =>
    workshop.images.pull({ reference, ...options });
  const logIn = (host: string): void => {
    const auth = Buffer.from("kim:secret").toString("base64");
    const path = join(workshop.home, "auth.json");
    writeFileSync(path, JSON.stringify({ auths: { [host]: { auth } } }));
    setToolEnvironment({ REGISTRY_AUTH_FILE: path });
  };
  const isBlob = (url: string | undefined): boolean => /\/blobs\//.test(url ?? "");

  describe("with mirrors", () => {
    const down = "127.0.0.1:9";

    test("is asked only for what they lack, in the order given; those that are down are passed over", async () => {
      push(registry, "own/only:1", "original");
      const original = push(registry, "own/both:1", "original");
      const copy = push(other, "hub/own/both:1", "copied");
      const mirrors = [down, `${other.host}/hub`];
      const steps: string[] = [];
      const onProgress = ({ step }: { step: string }) => steps.push(step);
      const image = await workshop.images.pull({
        reference: `${registry.host}/own/both:1`,
        tlsVerify: false,
        mirrors,
        onProgress,
      });
      expect(image).toMatchObject({ digest: copy, name: `${registry.host}/own/both:1` });
      expect(copy).not.toBe(original);
      expect(steps.join()).toContain(`'${down}' failed`);
      // The registry itself speaks plain http too, which is not allowed for it, only for mirrors.
      const refused = pull(`${registry.host}/own/only:1`, { tlsVerify: false, mirrors });
      await expect(refused).rejects.toMatchObject({
        code: "registry-failed",
        message: expect.stringContaining("before that"),
      });
      const all = [...mirrors, registry.host];
      await pull(`${registry.host}/own/only:1`, { tlsVerify: false, mirrors: all });
    });

    test("gives by digest only what has the digest, whatever they say", async () => {
      const digest = push(registry, "pinned/a:1", "right");
      push(other, "pinned/a:1", "wrong");
      const wrong = await before(
        {
          meddle: (request) => {
            request.url = (request.url ?? "").replace(digest, "1");
            return false;
          },
        },
        other,
      );
      const reference = `${registry.host}/pinned/a@${digest}`;
      const mirrors = [wrong.host, registry.host];
      expect(await pull(reference, { tlsVerify: false, mirrors })).toMatchObject({ digest });
      expect(wrong.requests.length).toBeGreaterThan(1);
    });

    test("that fail in the middle are replaced by the next", async () => {
      const digest = push(registry, "half/a:1", "half");
      const broken = await before({
        meddle: ({ url }, response) => isBlob(url) && !!response.writeHead(404).end("{}"),
      });
      const mirrors = [broken.host, registry.host];
      expect(await pull(`${registry.host}/half/a:1`, { tlsVerify: false, mirrors })).toMatchObject({
        digest,
      });
      expect(broken.requests.some(({ line }) => isBlob(line))).toBe(true);
    });

    test("that are none are refused with what one looks like", async () => {
      for (const mirror of ["hub", "http://a.b", "a.b/x:1", "a.b/../c", "a.b@c", "-a.b"]) {
        const refused = pull(`${registry.host}/a:1`, { mirrors: [mirror] });
        await expect(refused).rejects.toMatchObject({
          code: "invalid-reference",
          hint: expect.stringContaining("HOST[:PORT][/PREFIX]"),
        });
      }
    });

    test("of the host's registries.conf hold as well", async () => {
      push(other, "conf/a:1", "mirrored");
      const folder = join(workshop.home, ".config/containers");
      mkdirSync(folder, { recursive: true });
      const path = join(folder, "registries.conf");
      const conf = `[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "${other.host}"\ninsecure = true\n`;
      writeFileSync(path, conf);
      setToolEnvironment({ HOME: workshop.home });
      await pull("conf/a:1", {});
    });
  });

  describe("with a certificate of its own", () => {
    test("is trusted with that certificate, and not without", async () => {
      push(registry, "tls/a:1", "tls");
      const { host, certificateFile } = await before({ tls: true });
      await expect(pull(`${host}/tls/a:1`, {})).rejects.toMatchObject({
        code: "registry-failed",
        hint: expect.stringContaining("--ca"),
      });
      await pull(`${host}/tls/a:1`, { certificateFile });
    });

    test("is refused when the file holds none, or another's", async () => {
      const [mine, foreign] = [await before({ tls: true }), await before({ tls: true })];
      const text = join(workshop.home, "text");
      writeFileSync(text, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
      const codeOf = (certificateFile: string) =>
        pull(`${mine.host}/tls/a:1`, { certificateFile }).then(
          () => "none",
          (error: { code: string }) => error.code,
        );
      expect(await codeOf(text)).toBe("usage");
      expect(await codeOf(join(workshop.home, "none"))).toBe("file-not-found");
      expect(await codeOf(foreign.certificateFile)).toBe("registry-failed");
      expect(mine.requests).toEqual([]);
    });
  });

  describe("with a login", () => {
    const guarded = (more: ProxyOptions["meddle"] = () => false): ProxyOptions => ({
      meddle: (request, response) => {
        if (request.headers.authorization === login) return more(request, response);
        response.writeHead(401, { "WWW-Authenticate": 'Basic realm="test"' }).end("{}");
        return true;
      },
    });

    test("gets it from the file that REGISTRY_AUTH_FILE names, or Docker's configuration, or a helper", async () => {
      push(registry, "auth/a:1", "auth");
      const { host } = await before(guarded());
      await expect(pull(`${host}/auth/a:1`)).rejects.toMatchObject({ code: "registry-failed" });
      logIn(host);
      await pull(`${host}/auth/a:1`, { tlsVerify: false, name: "by-auth-file" });
      const auth = Buffer.from("kim:secret").toString("base64");
      const config = join(workshop.home, "config.json");
      writeFileSync(config, JSON.stringify({ auths: { [host]: { auth } } }));
      setToolEnvironment({ DOCKER_CONFIG: workshop.home });
      await pull(`${host}/auth/a:1`, { tlsVerify: false, name: "by-docker" });
      const helper = join(workshop.home, "docker-credential-test");
      const said = '{"Username":"kim","Secret":"secret"}';
      writeFileSync(helper, `#!/bin/sh\ncat >/dev/null\necho '${said}'\n`, { mode: 0o755 });
      writeFileSync(config, JSON.stringify({ credHelpers: { [host]: "test" } }));
      setToolEnvironment({ DOCKER_CONFIG: workshop.home, PATH: `${workshop.home}:/usr/bin:/bin` });
      await pull(`${host}/auth/a:1`, { tlsVerify: false, name: "by-helper" });
    });

    test("that sends to another host sends nobody's login there", async () => {
      push(registry, "moved/a:1", "moved");
      const elsewhere = await before({ address: "127.0.0.2" });
      const { host } = await before(
        guarded(
          ({ url }, response) =>
            isBlob(url) && !!response.writeHead(307, { location: `http://${elsewhere.host}${url}` }).end(),
        ),
      );
      logIn(host);
      await pull(`${host}/moved/a:1`);
      const asked = elsewhere.requests.filter(({ line }) => isBlob(line));
      expect(asked.length).toBeGreaterThan(1);
      expect(elsewhere.requests.map(({ authorization }) => authorization)).toEqual(
        elsewhere.requests.map(() => undefined),
      );
    });

    test("is not sent it in clear with plainHttp, except on this host", async () => {
      push(registry, "clear/a:1", "clear");
      const { host, requests } = await before(guarded());
      logIn(host);
      await pull(`${host}/clear/a:1`, { plainHttp: true });
      expect(requests.some(({ authorization }) => authorization === login)).toBe(true);
    });

    test("is sent none when none is to be sent", async () => {
      const { host, requests } = await before(guarded());
      logIn(host);
      const source = { what: "a", registry: host, source: `docker://${host}/clear/a:1`, tlsVerify: false };
      const asked = fetchManifest({ ...source, platform: parsePlatform(undefined), anonymous: true });
      await expect(asked).rejects.toMatchObject({ code: "registry-failed" });
      expect(requests.length).toBeGreaterThan(0);
      const nobody = `Basic ${Buffer.from(":").toString("base64")}`; // skopeo says so in this way
      const sent = requests.flatMap(({ authorization }) => authorization ?? []);
      expect(sent.filter((text) => text !== nobody)).toEqual([]);
    });

    test("that refuses it is asked once", async () => {
      const { host, requests } = await before(guarded());
      await expect(pull(`${host}/clear/a:1`)).rejects.toMatchObject({ code: "registry-failed" });
      expect(requests.length).toBeLessThan(4);
    });
  });

  describe("in passing trouble is asked again", () => {
    /** Meddles with the first `times` requests for a blob or a manifest. */
    const firstOnes = (times: number, what: RegExp, answer: NonNullable<ProxyOptions["meddle"]>) => {
      let left = times;
      const meddle: NonNullable<ProxyOptions["meddle"]> = (request, response) =>
        what.test(request.url ?? "") && left-- > 0 && answer(request, response);
      return before({ meddle });
    };
    const cases: readonly (readonly [what: string, path: RegExp, answer: ProxyOptions["meddle"]])[] = [
      [
        "when it is too busy",
        /\/blobs\//,
        (_, response) => !!response.writeHead(429, { "retry-after": "1" }).end("{}"),
      ],
      [
        "when it fails for a manifest",
        /\/manifests\//,
        (_, response) => !!response.writeHead(503).end("oops"),
      ],
      ["when it fails for a layer", /\/blobs\//, (_, response) => !!response.writeHead(502).end("oops")],
      [
        "when the line is dropped",
        /\/blobs\//,
        (_, response) => {
          response.writeHead(200, { "content-length": "120" }).write("x".repeat(50));
          setTimeout(() => response.destroy(), 50);
          return true;
        },
      ],
      ["when it hangs up at once", /\/manifests\//, (_, response) => !!response.destroy()],
    ];
    for (const [index, [what, path, answer]] of cases.entries()) {
      test(what, async () => {
        const digest = push(registry, `again/${index}:1`, `again${index}`);
        const { host } = await firstOnes(2, path, answer ?? (() => false));
        expect(await pull(`${host}/again/${index}:1`)).toMatchObject({ digest });
      });
    }

    test("and not for ever: what stays wrong is told, and leaves nothing", async () => {
      push(registry, "short/a:1", "short");
      const { host, requests } = await before({
        meddle: ({ url, method }, response) => {
          if (!isBlob(url) || method !== "GET") return false;
          response.writeHead(200, { "content-length": "10000" }).write("x".repeat(50));
          setTimeout(() => response.destroy(), 20);
          return true;
        },
      });
      await expect(pull(`${host}/short/a:1`)).rejects.toMatchObject({ code: "registry-failed" });
      expect(requests.filter(({ line }) => isBlob(line)).length).toBeLessThan(40);
      expect(workshop.files()).toEqual([]);
      expect(existsSync(join(workshop.stateDir, "fetch"))).toBe(false);
    });

    test("content of another length or digest is refused", async () => {
      push(registry, "lies/a:1", "lies");
      const { host } = await before({
        meddle: ({ url }, response) => isBlob(url) && !!response.writeHead(200).end("something else"),
      });
      await expect(pull(`${host}/lies/a:1`)).rejects.toMatchObject({ code: "verification-failed" });
    });

    test("content without an end is cut off", async () => {
      push(registry, "endless/a:1", "endless");
      const { host } = await before({
        meddle: ({ url }, response) => {
          if (!isBlob(url)) return false;
          const piece = Buffer.alloc(1_000_000, "x");
          const more = (): void => {
            if (!response.destroyed) response.write(piece, more);
          };
          response.writeHead(200);
          more();
          return true;
        },
      });
      await expect(pull(`${host}/endless/a:1`)).rejects.toMatchObject({
        code: "verification-failed",
        message: expect.stringContaining("does not keep to the manifest"),
      });
      expect(workshop.files()).toEqual([]);
    });

    test("waiting ends with the command", async () => {
      const abort = new AbortController();
      const { host } = await before({
        meddle: ({ url }, response) => {
          if (!/manifests/.test(url ?? "")) return false;
          setTimeout(() => abort.abort(), 300);
          return !!response.writeHead(503).end("oops");
        },
      });
      const begun = workshop.images.pull({
        reference: `${host}/wait/a:1`,
        tlsVerify: false,
        signal: abort.signal,
      });
      await expect(begun).rejects.toMatchObject({ code: "interrupted" });
    });
  });
});
