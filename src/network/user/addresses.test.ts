import { expect, test } from "bun:test";
import { addressesIn, addressesIn6, hostHasIpv6 } from "./addresses.ts";

test("a block holds the gateway, the resolver and the guest, in this order", () => {
  expect(addressesIn("10.100.0.8/29")).toEqual({
    gateway: "10.100.0.9",
    resolver: "10.100.0.10",
    address: "10.100.0.11",
  });
  expect(() => addressesIn("10.100.0.8/30")).toThrow("too small");
});

test("IPv6 addresses are of the range for everybody's own use, and differ by installation and by block", () => {
  const { address, gateway, resolver } = addressesIn6("0123abcd", "10.100.0.8/29");
  expect(address).toMatch(/^fd[0-9a-f]{2}:[0-9a-f]{1,4}:a64:8::3$/);
  expect([gateway, resolver]).toEqual([address.replace(/3$/, "1"), address.replace(/3$/, "2")]);
  expect(addressesIn6("0123abce", "10.100.0.8/29").address).not.toBe(address);
  expect(addressesIn6("0123abcd", "10.108.0.8/29").address).not.toBe(address);
});

test("a host has IPv6 when it has an address that others can have an answer at", () => {
  const address = (text: string, internal = false) => [
    { address: text, family: "IPv6", internal, netmask: "", mac: "", cidr: null, scopeid: 0 } as const,
  ];
  expect(hostHasIpv6({ lo: address("::1", true), eth0: address("fe80::1") })).toBe(false);
  expect(hostHasIpv6({ eth0: address("2001:db8::1") })).toBe(true);
  expect(hostHasIpv6({})).toBe(false);
});
