import { expect, test } from "bun:test";
import { newSecrets, secretsOfFork } from "./secrets.ts";

test("a fork has its source's values and placeholders, and an authority of its own", () => {
  const secret = { name: "TOKEN", value: "hush", hosts: ["api.example.com"] };
  const stored = newSecrets("web", [secret], undefined);
  if (stored === undefined) throw new Error("no secrets were made");
  const forked = secretsOfFork(stored, "copy");
  expect(forked.secrets).toEqual(stored.secrets);
  expect(forked.authority.certificate).not.toBe(stored.authority.certificate);
  expect(forked.authority.key).not.toBe(stored.authority.key);
});
