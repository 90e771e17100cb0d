import { describe, expect, test } from "bun:test";
import type { PolicyOptions } from "../types.ts";
import { egressOf, openPolicy, policyFlags } from "./describe.ts";
import { composePolicy } from "./policy.ts";
import { policyWarnings, secretWarnings } from "./warnings.ts";

describe("a policy", () => {
  test("is none when nothing is said of one", () => {
    expect(composePolicy({})).toBeUndefined();
    expect(composePolicy({ allowHosts: [], denyCidrs: [] })).toBeUndefined();
  });

  test("refuses the rest when something is allowed, and allows it when something is refused", () => {
    expect(composePolicy({ allowHosts: ["a.example"] })?.default).toBe("refuse");
    expect(composePolicy({ denyHosts: ["a.example"] })?.default).toBe("allow");
    expect(composePolicy({ denyHosts: ["a.example"], allowCidrs: ["10.0.0.0/8"] })?.default).toBe("refuse");
    expect(composePolicy({ egress: "all", allowHosts: ["a.example"] })?.default).toBe("allow");
    expect(composePolicy({ egress: "none", denyHosts: ["a.example"] })?.default).toBe("refuse");
    expect(composePolicy({ egress: "none" })).toEqual({ default: "refuse", rules: [] });
    expect(composePolicy({ egress: "all" })).toEqual(openPolicy);
  });

  test("with networks as egress allows these", () => {
    const policy = composePolicy({ egress: ["10.0.0.0/8", "192.0.2.7/32"], allowHosts: ["a.example"] });
    expect(policy?.default).toBe("refuse");
    expect(policy?.rules.map(({ text }) => text)).toEqual([
      "--allow-host a.example",
      "--allow-cidr 10.0.0.0/8",
      "--allow-cidr 192.0.2.7/32",
    ]);
    expect(() => composePolicy({ egress: [] })).toThrow("names no network");
    expect(() => composePolicy({ egress: ["10.0.0.1/8"] })).toThrow("--egress '10.0.0.1/8' can be read as");
  });

  test("has no rule twice, and not more than it can have", () => {
    expect(composePolicy({ allowHosts: ["A.example", "a.example."] })?.rules).toHaveLength(1);
    const many = Array.from({ length: 257 }, (_, index) => `h${index}.example`);
    expect(() => composePolicy({ allowHosts: many })).toThrow("at most 256");
  });

  const shown: readonly (readonly [PolicyOptions, unknown, string])[] = [
    [{ egress: "all" }, "all", "--egress all"],
    [{ egress: "none" }, "none", "--egress none"],
    [{ egress: ["10.0.0.0/8"] }, ["10.0.0.0/8"], "--allow-cidr 10.0.0.0/8"],
    [{ allowCidrs: ["10.0.0.0/8:53"] }, "none", "--allow-cidr 10.0.0.0/8:53"],
    [
      { allowHosts: ["a.example"], denyHosts: ["b.example"] },
      "none",
      "--allow-host a.example --deny-host b.example",
    ],
    [{ egress: "all", denyCidrs: ["10.0.0.0/8"] }, "all", "--deny-cidr 10.0.0.0/8"],
    [{ egress: "none", denyCidrs: ["10.0.0.0/8"] }, "none", "--egress none --deny-cidr 10.0.0.0/8"],
  ];
  for (const [options, egress, flags] of shown) {
    test(`of ${JSON.stringify(options)} is shown as ${flags}`, () => {
      const policy = composePolicy(options) ?? openPolicy;
      expect(egressOf(policy)).toEqual(egress as never);
      expect(policyFlags(policy).join(" ")).toBe(flags);
    });
  }
});

describe("what is warned about", () => {
  const cases: readonly (readonly [PolicyOptions, ...warnings: string[]])[] = [
    [{ allowCidrs: ["10.0.0.0/8", "192.0.2.0/24"], allowHosts: ["*.a.example", "b.example:443"] }],
    [{ allowCidrs: ["10.0.0.0/8", "10.1.0.0/16:5432/tcp"] }, "is inside '--allow-cidr 10.0.0.0/8'"],
    [{ allowCidrs: ["10.0.0.0/8:53", "10.1.0.0/16"] }],
    [{ denyCidrs: ["fd00::/8", "fd12::/16"] }, "is inside '--deny-cidr fd00::/8'"],
    [{ allowHosts: ["*.a.example", "x.y.a.example:443"] }, "is inside '--allow-host *.a.example'"],
    [{ allowHosts: ["*.a.example", "a.example"] }],
    [{ allowHosts: ["*.a.example", "*.b.a.example"] }, "is inside"],
    [
      { allowHosts: ["x.a.example"], denyHosts: ["*.a.example"] },
      "allows nothing: '--deny-host *.a.example' refuses all",
    ],
    [{ allowHosts: ["*.a.example"], denyHosts: ["x.a.example"] }],
    [{ allowCidrs: ["10.0.0.0/8"], denyCidrs: ["10.0.0.0/8:53"] }],
    [{ allowCidrs: ["10.0.0.0/8:53"], denyCidrs: ["10.0.0.0/7"] }, "allows nothing"],
    [{ egress: "all", allowHosts: ["a.example"] }, "adds nothing: everything is allowed"],
    [{ egress: "none", denyHosts: ["a.example"] }, "adds nothing: everything is refused"],
    [{ allowHosts: ["a.example"], denyCidrs: ["192.0.2.0/24"] }],
    [{ allowCidrs: ["10.0.0.0/8"], denyCidrs: ["192.0.2.0/24"] }, "adds nothing: everything is refused"],
    [{ allowCidrs: ["127.0.0.1"] }, "no policy lets a VM reach this host"],
    [{ allowCidrs: ["169.254.169.254"] }, "no policy lets a VM reach this host"],
    [{ allowHosts: ["localhost"] }, "no policy lets a VM reach this host"],
    [{ denyHosts: ["web.ember.internal"] }, "always reach each other"],
  ];
  for (const [options, ...warnings] of cases) {
    test(`${JSON.stringify(options)}: ${warnings.join(", ") || "nothing"}`, () => {
      const found = policyWarnings(composePolicy(options) ?? openPolicy);
      expect(found).toHaveLength(warnings.length);
      for (const [index, words] of warnings.entries()) expect(found[index]).toContain(words);
    });
  }
});

test("a secret for a host that the policy refuses is warned about", () => {
  const secrets = [{ name: "T", hosts: ["api.a.example", "*.b.example"] }];
  const warned = (options: PolicyOptions): number =>
    secretWarnings(composePolicy(options) ?? openPolicy, secrets).length;
  expect(warned({})).toBe(0);
  expect(warned({ egress: "none" })).toBe(2);
  expect(warned({ allowHosts: ["*.a.example", "x.b.example:443"] })).toBe(0);
  expect(warned({ allowHosts: ["api.a.example:80"] })).toBe(2);
  expect(warned({ denyHosts: ["*.a.example"] })).toBe(1);
  expect(warned({ allowCidrs: ["10.0.0.0/8"] })).toBe(0); // names may lead there
});
