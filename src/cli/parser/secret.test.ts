import { describe, expect, test } from "bun:test";
import { EmberError } from "../../errors/ember-error.ts";
import type { Parser } from "./flag.ts";
import { secret, secretHost } from "./secret.ts";

function refusal(parser: Parser<unknown>, input: string): string {
  try {
    parser(input, "--secret");
  } catch (error) {
    if (error instanceof EmberError && error.code === "usage") return `${error.message} | ${error.hint}`;
    throw error;
  }
  throw new Error(`'${input}' was accepted`);
}

describe("--secret", () => {
  test("names a file or a variable", () => {
    expect(secret("TOKEN=@secrets/token", "--secret")).toEqual({
      name: "TOKEN",
      from: { kind: "file", path: "secrets/token" },
    });
    expect(secret("T_1=env:GH_TOKEN", "--secret")).toEqual({
      name: "T_1",
      from: { kind: "variable", variable: "GH_TOKEN" },
    });
  });

  test("with the value itself is refused, says why, and does not repeat it", () => {
    for (const value of ["hunter2", "ghp_0123", "", "file:token"]) {
      const told = refusal(secret, `TOKEN=${value}`);
      expect(told).toContain("the list of processes and the shell's history");
      if (value !== "") expect(told).not.toContain(value);
    }
  });

  const refused: readonly (readonly [input: string, says: string])[] = [
    ["TOKEN", "--secret TOKEN=@FILE or --secret TOKEN=env:VARIABLE"],
    ["1TOKEN=@f", "not a variable's name"],
    ["=@f", "not a variable's name"],
    ["TO KEN=@f", "not a variable's name"],
    ["TOKEN=@", "names no file"],
    ["TOKEN=env:", "names no file and no variable"],
    ["TOKEN=env:A-B", "names no file and no variable"],
  ];
  test.each(refused)("'%s' is refused", (input, says) => {
    expect(refusal(secret, input)).toContain(says);
  });
});

describe("--secret-host", () => {
  test("is for all secrets, or for one by its name", () => {
    expect(secretHost("API.github.com.", "--secret-host")).toEqual({
      name: undefined,
      host: "api.github.com",
    });
    expect(secretHost("TOKEN=*.github.com", "--secret-host")).toEqual({
      name: "TOKEN",
      host: "*.github.com",
    });
  });

  const refused: readonly (readonly [input: string, says: string])[] = [
    ["10.0.0.1", "secrets go to hosts by name"],
    ["[::1]", "secrets go to hosts by name"],
    ["10.0.0.0/8", "secrets go to hosts by name"],
    ["*", "secrets go to hosts by name"],
    ["api.github.com:443", "has a port"],
    ["https://api.github.com", "is a URL"],
    ["", "is empty"],
    ["A-B=host.example", "not a variable's name"],
  ];
  test.each(refused)("'%s' is refused", (input, says) => {
    expect(refusal(secretHost, input)).toContain(says);
  });
});
