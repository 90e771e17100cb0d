import { describe, expect, test } from "bun:test";
import { EmberError } from "../../errors/ember-error.ts";
import { closest } from "./closest.ts";
import { list, toggle, value } from "./flag.ts";
import { text } from "./kinds.ts";
import { type Tokens, tokenize } from "./tokenizer.ts";

const flags = [
  value("memory", "SIZE", text, "memory"),
  list("env", "K=V", text, "variable", { short: "e" }),
  toggle("interactive", "input", { short: "i" }),
  toggle("tty", "terminal", { short: "t" }),
  toggle("no-start", "do not start"),
];
const shape = { path: "vm create", hasRest: true, maximumPositionals: 1 };

const read = (...argv: string[]): Tokens => tokenize(argv, flags, shape);

function refusal(...argv: string[]): EmberError {
  try {
    read(...argv);
  } catch (error) {
    if (error instanceof EmberError) return error;
  }
  throw new Error("it was accepted");
}

describe("tokenize", () => {
  test("values come after a space or an equals sign, and flags may follow arguments", () => {
    const tokens = read("web", "--memory", "1G", "--env=A=b");
    expect(tokens.positionals).toEqual(["web"]);
    expect(tokens.values.get("memory")).toEqual(["1G"]);
    expect(tokens.values.get("env")).toEqual(["A=b"]);
  });

  test("short flags stand alone, in bundles, and with a value attached", () => {
    const tokens = read("-it", "-eA=1", "-e", "B=2", "-ie", "C=3");
    expect(tokens.values.get("interactive")).toEqual(["", ""]);
    expect(tokens.values.get("tty")).toEqual([""]);
    expect(tokens.values.get("env")).toEqual(["A=1", "B=2", "C=3"]);
  });

  test("what follows -- is handed on word for word", () => {
    const tokens = read("web", "--", "ls", "--color", "-la", "--", "$HOME", "a b", "");
    expect(tokens.rest).toEqual(["ls", "--color", "-la", "--", "$HOME", "a b", ""]);
  });

  test("where no command follows, -- only ends the flags", () => {
    const tokens = tokenize(["--", "--odd"], flags, { ...shape, hasRest: false });
    expect(tokens.positionals).toEqual(["--odd"]);
  });

  test("a value may be empty or begin with a dash when it is written after =", () => {
    expect(read("--memory=").values.get("memory")).toEqual([""]);
    expect(read("--memory=-x").values.get("memory")).toEqual(["-x"]);
  });

  test("an unknown flag names the closest known one", () => {
    expect(refusal("--memry", "1G")).toMatchObject({ code: "usage", hint: "did you mean --memory?" });
    expect(refusal("--nostart").hint).toBe("did you mean --no-start?");
    expect(refusal("-x").hint).toBe("see: ember vm create --help");
    expect(refusal("-ix").message).toContain("'-x'");
  });

  test("a missing or surplus value is told", () => {
    expect(refusal("--memory").message).toBe("--memory needs a value");
    expect(refusal("--memory", "--tty").message).toBe("--memory needs a value");
    expect(refusal("--memory", "--", "x").message).toBe("--memory needs a value");
    expect(refusal("-e").message).toBe("-e needs a value");
    expect(refusal("--tty=yes").message).toBe("--tty takes no value");
  });

  test("a command for the guest without -- is told where to put it", () => {
    expect(refusal("web", "ls", "-la").hint).toContain("ember vm create web -- ls");
  });
});

test("closest finds slips of the finger, and nothing far-fetched", () => {
  expect(closest("lsit", ["list", "logs"])).toBe("list");
  expect(closest("creat", ["create", "start"])).toBe("create");
  expect(closest("inter", ["interactive", "tty"])).toBe("interactive");
  expect(closest("xyzzy", ["list", "logs"])).toBeUndefined();
  expect(closest("", ["list"])).toBeUndefined();
});
