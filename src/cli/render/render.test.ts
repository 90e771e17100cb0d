import { describe, expect, test } from "bun:test";
import { EmberError } from "../../errors/ember-error.ts";
import { renderError } from "./error.ts";
import { renderFields } from "./fields.ts";
import { shortImage } from "./names.ts";
import { renderAge, renderElapsed, renderSize } from "./quantity.ts";
import type { Look } from "./style.ts";
import { type Column, renderTable } from "./table.ts";
import { plural, printable, truncate, wrap } from "./text.ts";

const look = (width?: number): Look => ({
  width,
  paint: (text) => text,
  unicode: width !== undefined,
  ellipsis: "…",
  spinner: ["-"],
});

interface Row {
  readonly name: string;
  readonly image: string;
  readonly size: string;
}

const columns: readonly Column<Row>[] = [
  { title: "NAME", value: (row) => row.name, shrink: { minimum: 8, keep: "start" } },
  { title: "IMAGE", value: (row) => row.image, shrink: { minimum: 8, keep: "end" } },
  { title: "SIZE", align: "right", value: (row) => row.size },
];

describe("table", () => {
  const long: Row = { name: "n".repeat(63), image: `registry.example/${"x".repeat(90)}/end`, size: "512M" };

  test("never exceeds the terminal, and keeps the end of an image's name", () => {
    for (const width of [40, 60, 80, 120]) {
      const text = renderTable(columns, [long, { name: "a", image: "b", size: "4G" }], look(width));
      for (const line of text.trimEnd().split("\n")) expect([...line].length).toBeLessThanOrEqual(width);
      expect(text).toContain("…");
      expect(text).toContain("/end");
    }
  });

  test("cuts nothing where there is no terminal", () => {
    expect(renderTable(columns, [long], look())).toContain(long.image);
  });

  test("aligns columns, and leaves no blanks at the ends of lines", () => {
    const text = renderTable(columns, [{ name: "web", image: "", size: "4G" }], look(80));
    expect(text).toBe("NAME  IMAGE  SIZE\nweb   -        4G\n");
  });

  test("control characters from outside do not reach the terminal", () => {
    const text = renderTable(columns, [{ name: "a\x1b[2Jb\nc", image: "x\u202ey", size: "" }], look(80));
    expect(text).toContain("a?[2Jb?c");
    for (const character of ["\x1b", "\u202e"]) expect(text).not.toContain(character);
  });
});

describe("quantities", () => {
  test("sizes read as flags take them", () => {
    const cases: readonly (readonly [number, string])[] = [
      [0, "0B"],
      [512 * 1024 ** 2, "512M"],
      [1.5 * 1024 ** 3, "1.5G"],
      [4 * 1024 ** 3, "4G"],
      [1024 ** 3 - 1, "1G"],
      [12.4 * 1024 ** 3, "12G"],
      [3 * 1024 ** 5, "3072T"],
    ];
    for (const [bytes, text] of cases) expect(renderSize(bytes)).toBe(text);
  });

  test("ages and times taken are one short phrase", () => {
    const now = Date.parse("2026-03-01T12:00:00Z");
    expect(renderAge("2026-03-01T11:59:18Z", now)).toBe("42s");
    expect(renderAge("2026-03-01T10:00:00Z", now)).toBe("2h");
    expect(renderAge("2025-03-01T12:00:00Z", now)).toBe("365d");
    expect(renderAge("2026-03-01T12:00:05Z", now)).toBe("0s");
    expect(renderElapsed(45)).toBe("45 ms");
    expect(renderElapsed(1234)).toBe("1.2 s");
    expect(renderElapsed(59_970)).toBe("1 min 0 s");
    expect(renderElapsed(185_000)).toBe("3 min 5 s");
  });
});

describe("errors", () => {
  const error = new EmberError("vm-not-found", "there is no VM 'x'", { hint: "see: ember vm list" });

  test("people read a message and a hint", () => {
    expect(renderError(error, "table", look(), false)).toBe(
      "error: there is no VM 'x'\nhint: see: ember vm list\n",
    );
  });

  test("programs read one line of JSON", () => {
    expect(JSON.parse(renderError(error, "json", look(), false))).toEqual({
      error: { code: "vm-not-found", message: "there is no VM 'x'", hint: "see: ember vm list" },
    });
  });

  test("a tool's own lines are indented and cleaned; --verbose adds where it arose and why", () => {
    const caused = new EmberError("tool-failed", "it failed:\nline \x1b[31m2", {
      cause: new Error("deeper"),
    });
    const text = renderError(caused, "table", look(), true);
    expect(text).toContain("error: it failed:\n  line ?[31m2\n");
    expect(text).toContain("caused by:");
    expect(text).toContain("deeper");
  });

  test("anything else that was thrown is a fault of ember", () => {
    expect(renderError(new TypeError("oops"), "table", look(), false)).toContain(
      "hint: this is a fault in ember",
    );
  });
});

test("fields line up, leave out what is not known, and give a list a line for each entry", () => {
  const text = renderFields(
    [
      ["name", "web"],
      ["pid", null],
      ["ports", ["a", "b"]],
      ["vms", []],
      ["ready", true],
    ],
    look(),
  );
  expect(text).toBe("name   web\nports  a\n       b\nready  yes\n");
});

test("text is wrapped, truncated and made plural", () => {
  expect(wrap("one two three four", 9)).toEqual(["one two", "three", "four"]);
  expect(truncate("abcdefgh", 4, "start", "…")).toBe("abc…");
  expect(truncate("abcdefgh", 4, "end", "…")).toBe("…fgh");
  expect(truncate("abcdefgh", 5, "ends", "…")).toBe("ab…gh");
  expect(truncate("abcdefgh", 4, "ends", "..")).toBe("a..h");
  expect(printable("a\tb\x07c")).toBe("a b?c");
  expect(plural(1, "VM")).toBe("1 VM");
  expect(plural(2, "VM")).toBe("2 VMs");
});

test("tables leave out of an image's name what Docker's users leave out", () => {
  expect(shortImage("docker.io/library/nginx:latest")).toBe("nginx");
  expect(shortImage("docker.io/acme/app:2")).toBe("acme/app:2");
  expect(shortImage("ghcr.io/library/nginx:latest")).toBe("ghcr.io/library/nginx");
});
