import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatAddress4, parseNetwork4 } from "../network/ipv4.ts";
import { Database } from "../state/database.ts";
import { insertVm, userNumberOf, type VmRecord } from "../state/vms.ts";
import { type Addressing, checkSubnet, freeBlock, freeBlocks, macFor } from "./addresses.ts";

const blocks: Addressing = { blockPrefix: 29, guestOffset: 3, gatewayOffset: 1 };
const shared: Addressing = { blockPrefix: 32, guestOffset: 0, gatewayOffset: 1, shared: { prefix: 24 } };

let folder: string;
let db: Database;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-addresses-"));
  db = Database.open(folder);
});
afterEach(() => {
  db[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function record(name: string, blockBase: number): VmRecord {
  return {
    id: Buffer.from(name).toString("hex"),
    name,
    visible: true,
    status: "created",
    imageId: "00",
    imageName: "image",
    cpus: 1,
    memoryBytes: 2 ** 28,
    diskBytes: 2 ** 33,
    kernel: "debian",
    bootArguments: "",
    networkMode: "default",
    mac: macFor(name),
    blockBase,
    blockPrefix: 29,
    ports: [],
    policy: { default: "allow", rules: [] },
    command: [],
    runCommand: true,
    onExit: "stay",
    environment: {},
    user: "root",
    authorizedKeys: [],
    userData: "",
    hostKey: "secret",
    hostPublicKey: "public",
    forkedFrom: null,
    createdAt: "2026-01-01T00:00:00.000Z",
    startedAt: null,
    lastError: null,
    runtime: null,
  };
}

function take(subnet: string, name: string): string {
  const base = freeBlock(db, parseNetwork4(subnet), blocks);
  insertVm(db, record(name, base));
  return formatAddress4(base);
}

describe("blocks of addresses", () => {
  test("are given out lowest first, and again when they are free", () => {
    expect(take("10.0.0.0/24", "a")).toBe("10.0.0.0");
    expect(take("10.0.0.0/24", "b")).toBe("10.0.0.8");
    expect(take("10.0.0.0/24", "c")).toBe("10.0.0.16");
    db.run("DELETE FROM vms WHERE name = 'b'");
    expect(take("10.0.0.0/24", "d")).toBe("10.0.0.8");
    expect(take("10.0.0.0/24", "e")).toBe("10.0.0.24");
  });

  test("of a network that others are on too are given out highest first, never the gateway's, broadcast or taken ones", () => {
    const subnet = parseNetwork4("192.168.64.0/24");
    const all = freeBlocks(db, subnet, shared, 253).map(formatAddress4);
    expect([all[0], all[1], all.at(-1)]).toEqual(["192.168.64.254", "192.168.64.253", "192.168.64.2"]);
    expect(() => freeBlocks(db, subnet, shared, 254)).toThrow("is given to a VM");
    insertVm(db, { ...record("a", subnet.base + 253), blockPrefix: 32 });
    const held = new Map([[subnet.base + 254, "52:54:00:00:00:01"]]);
    expect(formatAddress4(freeBlock(db, subnet, shared, held))).toBe("192.168.64.252");
  });

  test("run out with an error that says so", () => {
    for (const name of ["a", "b", "c", "d"]) take("10.0.0.0/27", name);
    expect(() => take("10.0.0.0/27", "e")).toThrow("every address of 10.0.0.0/27 is given to a VM");
  });

  test("of different subnets do not meet", () => {
    expect(take("10.0.0.0/24", "a")).toBe("10.0.0.0");
    expect(take("192.168.4.0/24", "b")).toBe("192.168.4.0");
  });

  test("two VMs never get the same block: the database refuses it", () => {
    insertVm(db, record("a", 8));
    expect(() => insertVm(db, record("b", 8))).toThrow();
  });
});

test("a name that is taken is refused with vm-exists", () => {
  insertVm(db, record("a", 0));
  expect(() => insertVm(db, record("a", 8))).toThrow("a VM named 'a' exists already");
});

test("a subnet must be private, large enough, and without host bits", () => {
  expect(() => checkSubnet("8.8.8.0/24", 29)).toThrow("not a private network");
  expect(() => checkSubnet("10.0.0.0/30", 29)).toThrow("too small");
  expect(() => checkSubnet("10.0.0.1/24", 29)).toThrow("beyond its prefix");
  expect(() => checkSubnet("10.0.0.0", 29)).toThrow("not an IPv4 network");
  expect(checkSubnet("172.16.0.0/12", 29)).toEqual({ base: 0xac100000, prefix: 12 });
});

test("a MAC address is the VM's own and locally administered", () => {
  expect(macFor("a")).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/);
  expect(macFor("a")).toBe(macFor("a"));
  expect(macFor("a")).not.toBe(macFor("b"));
});

describe("numbers for the users of VMs", () => {
  test("stay with a VM, belong to no other, and are given again when it is gone", () => {
    const ids = ["a", "b", "c"].map((name, index) => {
      insertVm(db, record(name, index * 8));
      return Buffer.from(name).toString("hex");
    });
    const [a = "", b = "", c = ""] = ids;
    expect([userNumberOf(db, a, 9), userNumberOf(db, b, 9), userNumberOf(db, a, 9)]).toEqual([0, 1, 0]);
    db.run("DELETE FROM vms WHERE id = ?", a);
    expect(userNumberOf(db, c, 9)).toBe(0);
  });

  test("run out with an error that says so", () => {
    for (const name of ["a", "b"]) insertVm(db, record(name, name.charCodeAt(0) * 8));
    userNumberOf(db, Buffer.from("a").toString("hex"), 1);
    expect(() => userNumberOf(db, Buffer.from("b").toString("hex"), 1)).toThrow("1 VMs have a user");
  });
});
