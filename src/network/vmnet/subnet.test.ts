import { expect, test } from "bun:test";
import { subnetOf } from "./subnet.ts";

test("the settings' gateway and mask give the network", () => {
  expect(subnetOf("192.168.64.1", "255.255.255.0")).toBe("192.168.64.0/24");
  expect(subnetOf("10.7.128.1", "255.255.128.0")).toBe("10.7.128.0/17");
});

test("what is no network is not taken for one", () => {
  for (const [address, mask] of [
    ["192.168.64", "255.255.255.0"],
    ["192.168.64.1", "255.0.255.0"],
    ["192.168.64.1", "255.255.255.255"],
    ["192.168.64.1", ""],
  ] as const)
    expect(subnetOf(address, mask)).toBeUndefined();
});
