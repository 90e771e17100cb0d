import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { pullPreset } from "../presets.ts";
import { type Kernel, listKernels } from "../store.ts";
import { makeArm64Image, makeBzImage, makeVmlinux } from "../testing/fake-kernel.ts";

/** A bucket that hands out its objects and lists them in pages, as S3 does; or what `answer` makes of a list. */
class Bucket {
  readonly objects = new Map<string, Buffer>();
  readonly lists: string[] = [];
  pageSize = 1000;
  answer: ((response: ServerResponse, query: URLSearchParams) => boolean) | undefined;
  readonly #server: Server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://bucket");
    const key = decodeURIComponent(pathname).slice("/bucket/".length);
    if (key === "") {
      this.lists.push(searchParams.get("prefix") ?? "");
      if (this.answer?.(response, searchParams) !== true) response.end(this.#list(searchParams));
      return;
    }
    const content = this.objects.get(key);
    response.writeHead(content === undefined ? 404 : 200).end(content ?? "no such key");
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the server does not listen");
    return `http://127.0.0.1:${address.port}/bucket`;
  }

  #list(query: URLSearchParams): string {
    const prefix = query.get("prefix") ?? "";
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const cut = (key: string): string => {
      const slash = key.indexOf("/", prefix.length);
      return slash === -1 ? key : key.slice(0, slash + 1);
    };
    const entries = [...new Set(keys.map(cut))];
    const start = Number((query.get("continuation-token") ?? "a+/=0").slice(4));
    const end = start + this.pageSize;
    const next = `<NextContinuationToken>a+/=${end}</NextContinuationToken>`;
    const more = end < entries.length;
    return page(
      `${entries
        .slice(start, end)
        .map((entry) =>
          entry.endsWith("/")
            ? `<CommonPrefixes><Prefix>${entry}</Prefix></CommonPrefixes>`
            : `<Contents><Key>${entry}</Key><ETag>&quot;0&quot;</ETag><Size>${this.objects.get(entry)?.length}</Size></Contents>`,
        )
        .join("")}<IsTruncated>${more}</IsTruncated>${more ? next : ""}`,
    );
  }
}

const page = (content: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>${content}</ListBucketResult>`;

const build = "firecracker-ci/20260130-0a1b2c3d";
const key = `${build}/x86_64/vmlinux-6.1.159`;
const vmlinux = (version: string): Buffer => makeVmlinux({ version });

describe("pulling the preset stock", () => {
  let bucket: Bucket;
  let places = { kernelsDir: "", cacheDir: "" };
  let folder = "";

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "ember-stock-"));
    places = { kernelsDir: join(folder, "kernels"), cacheDir: join(folder, "cache") };
    bucket = new Bucket();
    bucket.objects.set(key, vmlinux("6.1.159"));
    await bucket.start();
  });
  afterEach(async () => {
    await bucket.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const pull = (arch: "amd64" | "arm64" = "amd64"): Promise<Kernel> =>
    pullPreset(places, "stock", {
      arch,
      from: { stockBucket: bucket.url, limits: { attempts: 2, delayMs: 1, idleLimitMs: 5000 } },
    });

  async function failure(): Promise<EmberError> {
    const before = listKernels(places);
    try {
      await pull();
    } catch (error) {
      if (!(error instanceof EmberError)) throw error;
      expect(listKernels(places)).toEqual(before);
      return error;
    }
    throw new Error("it did not fail");
  }

  test("gives the highest version of the newest build, as it lies there", async () => {
    bucket.objects.set(`${build}/x86_64/vmlinux-6.1.99`, vmlinux("6.1.99"));
    bucket.objects.set(`${build}/x86_64/vmlinux-6.1.200.config`, Buffer.from("CONFIG_A=y\n"));
    bucket.objects.set(`${build}/x86_64/vmlinux-6.18.1`, vmlinux("6.18.1"));
    bucket.objects.set("firecracker-ci/20250101-ffff/x86_64/vmlinux-6.1.300", vmlinux("6.1.300"));
    bucket.objects.set("firecracker-ci/v1.11/x86_64/vmlinux-6.1.400", vmlinux("6.1.400"));
    const kernel = await pull();
    expect(kernel).toMatchObject({
      name: "stock",
      version: "6.1.159",
      format: "vmlinux",
      archive: undefined,
    });
    expect(kernel.source).toBe(`${bucket.url}/${key}`);
    expect(readFileSync(kernel.bootPath).equals(vmlinux("6.1.159"))).toBe(true);
  });

  test("passes over builds without a kernel of the line for the architecture", async () => {
    bucket.objects.set("firecracker-ci/20260301-aaaa/x86_64/vmlinux-6.18.9", vmlinux("6.18.9"));
    bucket.objects.set("firecracker-ci/20260301-aaaa/aarch64/vmlinux-6.1.160", makeArm64Image("6.1.160"));
    expect((await pull()).version).toBe("6.1.159");
    expect(await pull("arm64")).toMatchObject({ version: "6.1.160", format: "Image", arch: "arm64" });
  });

  test("reads lists of several pages", async () => {
    bucket.pageSize = 2;
    for (let day = 10; day < 20; day++) {
      bucket.objects.set(`firecracker-ci/202602${day}-ab/x86_64/vmlinux-6.1.${day}`, vmlinux(`6.1.${day}`));
    }
    expect((await pull()).version).toBe("6.1.19");
  });

  test("again changes nothing; a newer one takes its place", async () => {
    const first = await pull();
    expect(await pull()).toEqual(first);
    bucket.objects.set(`${build}/x86_64/vmlinux-6.1.160`, vmlinux("6.1.160"));
    expect((await pull()).version).toBe("6.1.160");
  });

  test("refuses a file that has changed since it was first pulled", async () => {
    await pull();
    bucket.objects.set(key, makeVmlinux({ version: "6.1.159", pvh: false }));
    expect(await failure()).toMatchObject({ code: "verification-failed" });
    rmSync(join(places.kernelsDir, "stock"), { recursive: true });
    expect((await pull()).version).toBe("6.1.159");
  });

  test.each([
    ["no kernel", Buffer.from("<html>sign in</html>")],
    ["an ELF file that is none", makeVmlinux({ banner: false })],
    ["a compressed kernel", makeBzImage()],
    ["a kernel for another architecture", makeArm64Image()],
    ["nothing", Buffer.alloc(0)],
  ])("refuses what is %s", async (_what, content) => {
    bucket.objects.set(key, content);
    expect(await failure()).toMatchObject({ code: "kernel-invalid" });
  });

  test("asks for nothing under names that are not as they should be", async () => {
    const names = ["../20270101-ab/", "20270101-../", "20270101-ab/../", "2027-ab/", "20270101-ab&amp;x/"];
    const prefixes = names.map(
      (name) => `<CommonPrefixes><Prefix>firecracker-ci/${name}</Prefix></CommonPrefixes>`,
    );
    bucket.answer = (response) => {
      response.end(page(`${prefixes.join("")}<IsTruncated>false</IsTruncated>`));
      return true;
    };
    expect(await failure()).toMatchObject({ code: "kernel-not-found" });
    expect(bucket.lists).toEqual(["firecracker-ci/"]);
  });

  test("takes no key from outside the build", async () => {
    bucket.answer = (response, query) => {
      if (query.get("prefix") === "firecracker-ci/") return false;
      const keys = [
        "../../etc/x",
        `${build}/x86_64/vmlinux-6.1.1/../x`,
        `${build}/x86_64/vmlinux-6.1.-1`,
        "a",
      ];
      const contents = keys.map((name) => `<Contents><Key>${name}</Key><Size>1</Size></Contents>`);
      response.end(page(`${contents.join("")}<IsTruncated>false</IsTruncated>`));
      return true;
    };
    expect(await failure()).toMatchObject({ code: "kernel-not-found" });
  });

  test.each([
    ["a web page", "<!DOCTYPE html><html><body>sign in</body></html>"],
    ["an error", "<Error><Code>AccessDenied</Code></Error>"],
    ["entities of its own", `<!DOCTYPE l [<!ENTITY a "b">]>${page("<IsTruncated>false</IsTruncated>")}`],
    ["an unknown entity", page("<Name>&a;</Name><IsTruncated>false</IsTruncated>")],
    ["a list that is cut short", page("<IsTruncated>false</IsTruncated>").slice(0, -5)],
    ["elements that cross", page("<Contents><Key></Contents></Key><IsTruncated>false</IsTruncated>")],
    ["a deep document", page("<A>".repeat(50_000))],
    ["a page that does not say whether it is the last", page("")],
    ["a truncated page without a token", page("<IsTruncated>true</IsTruncated>")],
    ["two roots", `${page("<IsTruncated>false</IsTruncated>")}<A/>`],
    [
      "a size that is none",
      page("<Contents><Key>a</Key><Size>-1</Size></Contents><IsTruncated>false</IsTruncated>"),
    ],
    ["nothing", ""],
  ])("refuses %s in place of a list", async (_what, text) => {
    bucket.answer = (response) => {
      response.end(text);
      return true;
    };
    expect(await failure()).toMatchObject({ code: "download-failed" });
  });

  test("refuses a list that goes in a circle, and one that does not end", async () => {
    let number = 0;
    const token = { of: (): string => "same" };
    bucket.answer = (response) => {
      response.end(
        page(`<IsTruncated>true</IsTruncated><NextContinuationToken>${token.of()}</NextContinuationToken>`),
      );
      return true;
    };
    expect((await failure()).message).toContain("does not end");
    expect(bucket.lists).toHaveLength(2);
    token.of = () => String(number++);
    expect((await failure()).message).toContain("does not end");
    expect(bucket.lists.length).toBeLessThan(100);
  });

  test("stops reading an endless page", async () => {
    bucket.answer = (response) => {
      const chunk = Buffer.alloc(64 * 1024, "a");
      const more = (): void => {
        if (!response.destroyed) response.write(chunk, more);
      };
      more();
      return true;
    };
    expect(await failure()).toMatchObject({ code: "verification-failed" });
  });

  test("refuses a file that is said to be larger than a kernel can be, and one that is larger than said", async () => {
    const list = (size: number): void => {
      bucket.answer = (response, query) => {
        if (query.get("prefix") === "firecracker-ci/") return false;
        response.end(
          page(`<Contents><Key>${key}</Key><Size>${size}</Size></Contents><IsTruncated>false</IsTruncated>`),
        );
        return true;
      };
    };
    list(1024 ** 4);
    expect(await failure()).toMatchObject({ code: "verification-failed" });
    list(100);
    expect(await failure()).toMatchObject({ code: "verification-failed" });
  });
});
