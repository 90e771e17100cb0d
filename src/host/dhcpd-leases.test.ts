import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseLeases, readLeases } from "./dhcpd-leases.ts";

const lease = (address: string, hardware: string, end: string): string =>
  `{\n\tname=web\n\tip_address=${address}\n\thw_address=${hardware}\n\tidentifier=${hardware}\n\tlease=${end}\n}\n`;

test("the newest lease of an address counts, and none that has ended", () => {
  const text =
    lease("192.168.64.5", "1,52:54:0:ab:c:1", "0x66000000") +
    lease("192.168.64.5", "1,52:54:0:ab:c:2", "0x66000100") +
    lease("192.168.64.6", "1,a6:3b:0:0:0:9", "0x65000000");
  expect(parseLeases(text, 0x65ffffff)).toEqual([{ address: "192.168.64.5", mac: "52:54:00:ab:0c:02" }]);
});

test("the address of a guest that names itself by a DUID counts as taken", () => {
  const text = lease("192.168.64.7", "ff,f1:f5:dd:7f:0:2:0:0:ab:11:e4:9b", "0x66000000");
  expect(parseLeases(text, 0)).toEqual([{ address: "192.168.64.7", mac: "unknown" }]);
});

test("a list of another form is not known, an empty one is empty", () => {
  expect(parseLeases("", 0)).toEqual([]);
  for (const text of ["leases: []", "{\n\tname=web\n}\n", lease("192.168.64.5", "1,52:54:0:ab:c:1", "soon")])
    expect(parseLeases(text, 0)).toBeUndefined();
});

test("no list is an empty one; one that cannot be read is not known", () => {
  const folder = mkdtempSync(join(tmpdir(), "ember-leases-"));
  try {
    expect(readLeases(0, join(folder, "absent"))).toEqual([]);
    expect(readLeases(0, folder)).toBeUndefined();
    writeFileSync(join(folder, "leases"), lease("10.0.0.2", "1,52:54:0:0:0:1", "0x70000000"));
    expect(readLeases(0, join(folder, "leases"))).toHaveLength(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
