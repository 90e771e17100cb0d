import { describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import {
  candidateNames,
  canonicalName,
  checkImageName,
  imageNamesMatch,
  parseReference,
} from "./reference.ts";

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

describe("canonical names", () => {
  const corpus: readonly (readonly [text: string, name: string])[] = [
    ["nginx", "docker.io/library/nginx:latest"],
    ["nginx:1.27", "docker.io/library/nginx:1.27"],
    ["docker.io/nginx", "docker.io/library/nginx:latest"],
    ["docker.io/library/nginx:latest", "docker.io/library/nginx:latest"],
    ["index.docker.io/nginx", "docker.io/library/nginx:latest"],
    ["docker://nginx", "docker.io/library/nginx:latest"],
    ["docker", "docker.io/library/docker:latest"],
    ["docker:24", "docker.io/library/docker:24"],
    ["bitnami/redis", "docker.io/bitnami/redis:latest"],
    ["ghcr.io/a/b", "ghcr.io/a/b:latest"],
    ["docker.io/a/b", "docker.io/a/b:latest"],
    ["quay.io/a", "quay.io/a:latest"],
    ["localhost/a", "localhost/a:latest"],
    ["localhost:5000/x", "localhost:5000/x:latest"],
    ["localhost:5000/x/y:tag", "localhost:5000/x/y:tag"],
    ["127.0.0.1:5000/x", "127.0.0.1:5000/x:latest"],
    ["[::1]:5000/x", "[::1]:5000/x:latest"],
    [
      "registry.example.com:443/team/deep/er/name:V1.0_rc-2",
      "registry.example.com:443/team/deep/er/name:V1.0_rc-2",
    ],
    ["a__b/c---d.e_f", "docker.io/a__b/c---d.e_f:latest"],
    [`nginx@${digest}`, `docker.io/library/nginx@${digest}`],
    [`nginx:1.27@${digest}`, `docker.io/library/nginx@${digest}`],
    [`localhost:5000/x:y@${digest}`, `localhost:5000/x@${digest}`],
    ["oci:/srv/build", "oci:/srv/build"],
    ["oci:/srv/build:v1", "oci:/srv/build:v1"],
    ["oci:/srv/a:b/build", "oci:/srv/a:b/build"],
    ["oci:/srv/with space/b", "oci:/srv/with space/b"],
    ["oci:../build", `oci:${resolve("../build")}`],
    ["docker-archive:/tmp/x.tar", "docker-archive:/tmp/x.tar"],
    ["docker-archive:/tmp/x.tar:nginx:1.27", "docker-archive:/tmp/x.tar:nginx:1.27"],
    ["docker-archive:/tmp/a:b/x.tar", "docker-archive:/tmp/a:b/x.tar"],
  ];
  for (const [text, name] of corpus) {
    test(`${text} is ${name}`, () => expect(canonicalName(parseReference(text))).toBe(name));
  }

  test("are their own canonical form", () => {
    for (const [, name] of corpus) expect(canonicalName(parseReference(name))).toBe(name);
  });

  test("keep registries apart", () => {
    const names = ["ghcr.io/a/b", "docker.io/a/b", "a/b:b", "localhost:1/a/b", "localhost:2/a/b"];
    expect(new Set(names.map((name) => canonicalName(parseReference(name)))).size).toBe(names.length);
  });
});

describe("what is no reference", () => {
  const corpus: readonly (readonly [text: string, reason: RegExp])[] = [
    ["", /empty/],
    ["a b", /spaces/],
    ["nginx ", /spaces/],
    ["nginx\n", /control/],
    ["nginx\0", /control/],
    ["\u001b[31mnginx", /control/],
    ["-nginx", /dash/],
    ["--help", /dash/],
    ["../etc", /'\.\.'|not a registry/],
    ["a/../b", /'\.\.'/],
    ["a..b", /'\.\.'/],
    ["Nginx", /lower case/],
    ["ghcr.io/Owner/x", /lower case/],
    ["GHCR.IO/a", /registry/],
    ["a//b", /empty/],
    ["/a", /empty/],
    ["a/", /empty/],
    [":tag", /empty/],
    ["a:", /not a tag/],
    ["a:-x", /not a tag/],
    ["a:.x", /not a tag/],
    [`a:${"x".repeat(129)}`, /not a tag/],
    ["a:b:c", /not a part|registry/],
    ["a@", /sha256/],
    ["a@sha256:abc", /sha256/],
    [`a@sha256:${"A".repeat(64)}`, /sha256/],
    [`a@md5:${"0".repeat(32)}`, /sha256/],
    [`a@${digest}@${digest}`, /sha256/],
    ["a_", /not a part/],
    ["a.-b", /not a part/],
    ["a;rm -rf /", /spaces/],
    ["$(id)", /not a part/],
    ["a/$HOME", /lower case|not a part/],
    ["user:pw@host/x", /sha256/],
    ["https://ghcr.io/a", /not a|empty/],
    ["host:99999/a", /registry/],
    ["host:x/a", /registry/],
    ["-x.io/a", /dash/],
    ["x-.io/a", /registry/],
    ["nginé", /not a part/],
    [`${"a".repeat(300)}`, /longer/],
    ["a".repeat(5000), /longer/],
    ["oci:", /no path/],
    ["docker-archive:", /no path/],
    ["oci:/a\nb", /control/],
  ];
  for (const [text, reason] of corpus) {
    test(`${JSON.stringify(text.slice(0, 40))} is refused`, () => {
      expect(() => parseReference(text)).toThrow(reason);
      expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: "invalid-reference" }));
    });
  }

  test("is shown on one line of bounded length", () => {
    for (const text of [`a\n${"b".repeat(5000)}`, "\u001b]0;x\u0007"]) {
      try {
        parseReference(text);
        throw new Error("it was taken");
      } catch (error) {
        expect(String(error)).toMatch(/^[\x20-\x7e]{1,300}$/);
      }
    }
  });
});

describe("names", () => {
  test("that people write match the full name", () => {
    expect(imageNamesMatch("nginx", "docker.io/library/nginx:latest")).toBe(true);
    expect(imageNamesMatch("nginx:latest", "docker.io/library/nginx:latest")).toBe(true);
    expect(imageNamesMatch("nginx", "nginx")).toBe(true);
    expect(imageNamesMatch("nginx", "docker.io/library/nginx:1")).toBe(false);
    expect(imageNamesMatch("a/b", "ghcr.io/a/b:latest")).toBe(false);
    expect(imageNamesMatch("no reference!", "no reference!")).toBe(true);
  });

  test("are looked up as they were given first", () => {
    expect(candidateNames("debian")).toEqual(["debian", "docker.io/library/debian:latest"]);
    expect(candidateNames("debian ")).toEqual(["debian "]);
  });

  test("that images are given are plain or full", () => {
    expect(checkImageName("my-app")).toBe("my-app");
    expect(checkImageName("my/app")).toBe("docker.io/my/app:latest");
    expect(checkImageName("app:1")).toBe("docker.io/library/app:1");
    for (const bad of ["oci:/x", "../x", "A", "", "a b", "-x"]) expect(() => checkImageName(bad)).toThrow();
  });
});
