import { expect, test } from "bun:test";
import type { NetworkFlow } from "../types.ts";
import { learnPolicy } from "./learn.ts";

const flow = (changes: Partial<NetworkFlow>): NetworkFlow => ({
  protocol: "tcp",
  name: "",
  by: "address",
  address: "192.0.2.7",
  port: 443,
  verdict: "allowed",
  rule: "",
  count: 1,
  firstAt: "2026-01-01T00:00:00Z",
  lastAt: "2026-01-01T00:00:00Z",
  ...changes,
});

const learned = (...flows: readonly NetworkFlow[]): readonly string[] =>
  learnPolicy(flows).rules.map(({ text }) => text);

test("what was reached is allowed by its exact name and port, and nothing else", () => {
  expect(learnPolicy([]).default).toBe("refuse");
  expect(
    learned(
      flow({ name: "a.example", by: "sni" }),
      flow({ name: "a.example", by: "answer", address: "192.0.2.8" }),
      flow({ name: "b.example", by: "host", port: 80 }),
      flow({ name: "c.example", verdict: "refused" }),
    ),
  ).toEqual(["--allow-host a.example:443", "--allow-host b.example:80"]);
});

test("names under one suffix stay apart: a pattern would allow more", () => {
  const names = ["a.npmjs.org", "b.npmjs.org", "c.npmjs.org", "d.npmjs.org"];
  expect(learned(...names.map((name) => flow({ name })))).toEqual(
    names.map((name) => `--allow-host ${name}:443`),
  );
});

test("where no name is known it is the address, with port and protocol", () => {
  expect(
    learned(
      flow({ port: 5432 }),
      flow({ protocol: "udp", port: 123 }),
      flow({ protocol: "icmp", port: 0, address: "192.0.2.9" }),
      flow({ address: "2001:db8::1", port: 22 }),
    ),
  ).toEqual([
    "--allow-cidr 192.0.2.7/32:123/udp",
    "--allow-cidr 192.0.2.7/32:5432/tcp",
    "--allow-cidr 192.0.2.9/32",
    "--allow-cidr [2001:db8::1/128]:22/tcp",
  ]);
});

test("UDP to a name takes a rule for its address, and one for the question that leads there", () => {
  expect(learned(flow({ protocol: "udp", port: 123, name: "pool.example", by: "answer" }))).toEqual([
    "--allow-cidr 192.0.2.7/32:123/udp",
    "--allow-host pool.example:123",
  ]);
});

test("a question alone is nothing reached, and a name that is none is left to its address", () => {
  expect(
    learned(flow({ protocol: "dns", name: "a.example", by: "question", address: "", port: 53 })),
  ).toEqual([]);
  expect(learned(flow({ name: "bad name" }), flow({ name: "10.0.0.1", address: "10.0.0.1" }))).toEqual([
    "--allow-cidr 10.0.0.1/32:443/tcp",
    "--allow-cidr 192.0.2.7/32:443/tcp",
  ]);
});
