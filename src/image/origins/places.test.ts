import { describe, expect, test } from "bun:test";
import { EmberError } from "../../errors/ember-error.ts";
import { parseReference } from "../reference.ts";
import { firstOf, placesOf, type RegistryAccess } from "./places.ts";

const places = (text: string, access: RegistryAccess) => {
  const reference = parseReference(text);
  if (reference.transport !== "docker") throw new Error("not in a registry");
  return placesOf(reference, access).map(({ reference: { registry, repository }, ...rest }) => ({
    name: `${registry}/${repository}`,
    ...rest,
  }));
};

describe("the places of an image", () => {
  test("are its own registry, trusted as was said", () => {
    const strict = { tlsVerify: true, anonymous: false, certificates: undefined };
    expect(places("nginx", {})).toEqual([{ name: "docker.io/library/nginx", ...strict }]);
    expect(places("a.b/c", { tlsVerify: false })).toEqual([{ name: "a.b/c", ...strict, tlsVerify: false }]);
  });

  test("get no login by plain http, except on this host", () => {
    const anonymous = (text: string) => places(text, { plainHttp: true })[0]?.anonymous;
    expect(anonymous("10.0.0.1:5000/a")).toBe(true);
    expect(anonymous("127.0.0.1.evil.example/a")).toBe(true);
    expect(anonymous("localhost:5000/a")).toBe(false);
    expect(anonymous("127.0.0.1:5000/a")).toBe(false);
  });

  test("are the mirrors first, and what weakens trust holds for them alone", () => {
    const access = { mirrors: ["m.lan:5000/hub", "n.lan"], plainHttp: true, certificates: "/c" };
    expect(places("nginx", access)).toEqual([
      { name: "m.lan:5000/hub/library/nginx", tlsVerify: false, anonymous: true, certificates: "/c" },
      { name: "n.lan/library/nginx", tlsVerify: false, anonymous: true, certificates: "/c" },
      { name: "docker.io/library/nginx", tlsVerify: true, anonymous: false, certificates: "/c" },
    ]);
  });
});

describe("the first place that has it", () => {
  const all = [{ registry: "a" }, { registry: "b" }];
  const failing = (code: "registry-failed" | "disk-full") =>
    firstOf(all, {}, async ({ registry }) => {
      throw new EmberError(code, `${registry} failed`);
    });

  test("is not looked for when another would change nothing", async () => {
    await expect(failing("disk-full")).rejects.toMatchObject({ message: "a failed" });
    await expect(failing("registry-failed")).rejects.toMatchObject({
      message: "b failed; before that: a failed",
    });
  });
});
