import { expect, test } from "bun:test";
import { normalMac, parseNeighbours } from "./arp.ts";

test("one line that says nothing does not hide the others", () => {
  const text = [
    "? (192.168.64.2) at (incomplete) on bridge100 ifscope [bridge]",
    "nonsense",
    "router (192.168.1.1) at 3c:a6:2f:0:1:9a on en0 ifscope [ethernet]",
    "? (192.168.64.9) at 52:54:0:AB:c:1 on bridge100 ifscope [bridge]",
  ].join("\n");
  expect(parseNeighbours(text)).toEqual([
    { address: "192.168.1.1", mac: "3c:a6:2f:00:01:9a" },
    { address: "192.168.64.9", mac: "52:54:00:ab:0c:01" },
  ]);
});

test("addresses are spelled in one way", () => {
  expect(normalMac("0:1:2:a:B:cc")).toBe("00:01:02:0a:0b:cc");
  for (const text of ["", "0:1:2:3:4", "0:1:2:3:4:g", "000:1:2:3:4:5"])
    expect(normalMac(text)).toBeUndefined();
});
