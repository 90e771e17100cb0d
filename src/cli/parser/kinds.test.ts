import { describe, expect, test } from "bun:test";
import { EmberError } from "../../errors/ember-error.ts";
import { age, duration, moment } from "./duration.ts";
import type { Parser } from "./flag.ts";
import { choice, count, keyValue, line, record, reference, text, vmName } from "./kinds.ts";
import { cidr, networkChoice } from "./network.ts";
import { size } from "./size.ts";

/** The error that the parser throws, which must be one of ours. */
function refusal(parser: Parser<unknown>, input: string): EmberError {
  try {
    parser(input, "--flag");
  } catch (error) {
    if (error instanceof EmberError) return error;
    throw error;
  }
  throw new Error(`'${input}' was accepted`);
}

describe("size", () => {
  const good: readonly (readonly [string, number])[] = [
    ["512M", 512 * 1024 ** 2],
    ["4G", 4 * 1024 ** 3],
    ["1.5G", 1.5 * 1024 ** 3],
    ["64k", 65_536],
    ["2GiB", 2 * 1024 ** 3],
    ["1T", 1024 ** 4],
  ];
  test.each(good)("%s is %d bytes", (input, bytes) => {
    expect(size(input, "--memory")).toBe(bytes);
  });

  test.each(["12", "8P", "", "G", "-1G", "0M", "1e3M", "4 G", "4GB", "0x10M", "9999999999T", "M4", "1.G"])(
    "'%s' is refused with a hint",
    (input) => {
      const error = refusal(size, input);
      expect(error.code).toBe("invalid-size");
      expect(error.exitStatus).toBe(2);
      expect(error.hint).toBeTruthy();
    },
  );

  test("a number without a unit is told which units to add", () => {
    expect(refusal(size, "12").hint).toContain("12M");
  });
});

describe("duration", () => {
  const good: readonly (readonly [string, number])[] = [
    ["30s", 30_000],
    ["30", 30_000],
    ["500ms", 500],
    ["1h30m", 5_400_000],
    ["0", 0],
  ];
  test.each(good)("%s is %d ms", (input, milliseconds) => {
    expect(duration(input, "--timeout")).toBe(milliseconds);
  });

  test.each(["", "s", "-3s", "1.5h", "3w", "99999999", "30d", "1 s"])("'%s' is refused", (input) => {
    expect(refusal(duration, input).code).toBe("usage");
  });

  test("an age is written as one, and may be more than a timer can wait", () => {
    expect(age("90d", "--unused-for")).toBe(7_776_000_000);
    expect(age("12h", "--unused-for")).toBe(43_200_000);
    for (const bad of ["", "-3d", "3w", "99999999"]) expect(refusal(age, bad).code).toBe("usage");
  });

  test("a moment is a time ago or ISO 8601", () => {
    const now = Date.parse("2026-03-01T12:00:00Z");
    expect(moment("1h", "--since", now)).toBe("2026-03-01T11:00:00.000Z");
    expect(moment("2026-01-31T12:00:00+01:00", "--since", now)).toBe("2026-01-31T11:00:00.000Z");
    expect(moment("2026-01-31", "--since", now)).toBe("2026-01-31T00:00:00.000Z");
    for (const bad of ["yesterday", "2026", "12", "2026-13-40T00:00:00Z", "Jan 1 2026"]) {
      expect(() => moment(bad, "--since", now)).toThrow("is not a moment");
    }
  });
});

describe("subnets", () => {
  test("an IPv4 network with a prefix length", () => {
    expect(cidr("10.100.0.0/16", "--subnet")).toBe("10.100.0.0/16");
    expect(networkChoice("none", "--network")).toBe("none");
    expect(networkChoice("10.1.0.0/24", "--network")).toBe("10.1.0.0/24");
  });

  test.each(["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/08", "::/8", "10.0.0.0/8/8", "bridge"])(
    "'%s' is refused",
    (input) => {
      expect(refusal(networkChoice, input).code).toBe("usage");
    },
  );
});

describe("names and text", () => {
  test.each(["web", "a", "0-9", "a".repeat(63)])("%s is a VM name", (input) => {
    expect(vmName(input, "NAME")).toBe(input);
  });

  test.each(["", "../x", "a b", "A", "-a", "a".repeat(200), "a\n", "ä"])("'%s' is no VM name", (input) => {
    const error = refusal(vmName, input);
    expect(error.code).toBe("invalid-name");
    expect(error.message.length).toBeLessThan(160);
    expect(error.message).not.toContain("\n");
  });

  test.each(["-rf", "", "a b", "\x1b[2J", "a\0"])("'%s' is no reference", (input) => {
    expect(refusal(reference, input).code).toBe("invalid-reference");
  });

  test("key=value splits at the first equals sign, and the last pair of a key holds", () => {
    expect(keyValue("A=b=c", "-e")).toEqual(["A", "b=c"]);
    expect(keyValue("A=", "-e")).toEqual(["A", ""]);
    expect(
      record([
        ["A", "1"],
        ["A", "2"],
      ]),
    ).toEqual({ A: "2" });
    for (const bad of ["A", "=b", ""]) expect(refusal(keyValue, bad).code).toBe("usage");
  });

  test("counts are whole numbers from 1", () => {
    expect(count("16", "--cpus")).toBe(16);
    for (const bad of ["0", "-1", "1.5", "two", "1e3", "9999999"])
      expect(refusal(count, bad).code).toBe("usage");
  });

  test("text holds no NUL, a line no control character, a choice only what is allowed", () => {
    expect(refusal(text, "a\0b").code).toBe("usage");
    expect(refusal(line, "a\nb").code).toBe("usage");
    expect(line("", "--boot-args")).toBe("");
    expect(refusal(choice("table", "json"), "xml").message).toBe("--flag must be table or json, not 'xml'");
  });
});
