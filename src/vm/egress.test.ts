import { describe, expect, test } from "bun:test";
import { checkEgress } from "./egress.ts";

describe("an egress policy", () => {
  test("keeps each network once, in its canonical form", () => {
    expect(checkEgress(["10.0.0.0/8", "10.0.0.0/8", "192.0.2.7/32"], "default")).toEqual([
      "10.0.0.0/8",
      "192.0.2.7/32",
    ]);
    expect(checkEgress("none", "default")).toBe("none");
  });

  test("is refused for what is no network, has none, or has too many", () => {
    expect(() => checkEgress(["10.0.0.1/8"], "default")).toThrow("bits set beyond its prefix");
    expect(() => checkEgress(["example.org"], "default")).toThrow("not an IPv4 network");
    expect(() => checkEgress([], "default")).toThrow("1 to 256 networks");
    const many = Array.from({ length: 257 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`);
    expect(() => checkEgress(many, "default")).toThrow("not 257");
  });

  test("has no meaning for a VM without a network", () => {
    expect(() => checkEgress("none", "none")).toThrow("no way out");
    expect(checkEgress("all", "none")).toBe("all");
  });
});
