import { describe, expect, test } from "bun:test";
import { crc32c, crc32cZeros } from "./crc32c.ts";
import { directoryHash, hashSeedOf } from "./directory-hash.ts";
import { parseUuid, uuidOf } from "./uuid.ts";

test("crc32c is Castagnoli's, carried on over parts", () => {
  const text = Buffer.from("123456789");
  expect((crc32c(0xffffffff, text) ^ 0xffffffff) >>> 0).toBe(0xe3069283); // RFC 3720's check value
  const long = Buffer.from(Array.from({ length: 1000 }, (_, index) => (index * 31) & 0xff));
  for (const cut of [0, 1, 3, 4, 500, 999, 1000]) {
    expect(crc32c(crc32c(7, long, 0, cut), long, cut)).toBe(crc32c(7, long));
  }
});

test("crc32c over zeros takes the short way to the same", () => {
  const zeros = new Uint8Array(70_000);
  for (const count of [0, 1, 2, 3, 7, 255, 256, 4067, 4084, 65_535, 70_000]) {
    for (const begin of [0, 1, 0xffffffff, 0x80000000, 0x12345678]) {
      expect(crc32cZeros(begin, count)).toBe(crc32c(begin, zeros, 0, count));
    }
  }
});

describe("the hash of names in large folders", () => {
  const seed = hashSeedOf(parseUuid("01234567-89ab-4cde-8f01-23456789abcd"));

  test("is what 'debugfs dx_hash -h half_md4' says", () => {
    expect(directoryHash("a", seed)).toBe(0x5cf7b5a0);
    expect(directoryHash("hello", seed)).toBe(0x3683c656);
    expect(directoryHash("x".repeat(33), seed)).toBe(0xb95006be);
    expect(directoryHash("n".repeat(255), seed)).toBe(0x79d40a8e);
    expect(directoryHash("hello", [0, 0, 0, 0])).toBe(0x1746da32);
  });

  test("leaves the lowest bit free", () => {
    for (let index = 0; index < 1000; index++) expect(directoryHash(`name-${index}`, seed) & 1).toBe(0);
  });
});

test("a UUID made of a hash is marked as one of our own making", () => {
  expect(uuidOf(Buffer.alloc(32, 0xff))).toBe("ffffffff-ffff-8fff-bfff-ffffffffffff");
  expect(() => parseUuid("not-a-uuid")).toThrow("is not a UUID");
});
