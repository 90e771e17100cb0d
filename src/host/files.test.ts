import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePrivateFolder, writeFileAtomic } from "./files.ts";

let work: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "ember-files-"));
});
afterEach(() => rmSync(work, { recursive: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o777;

/** A folder that others can enter, with files of these names. */
function openFolder(name: string, ...files: string[]): string {
  const path = join(work, name);
  mkdirSync(path);
  chmodSync(path, 0o755);
  for (const file of files) writeFileSync(join(path, file), "");
  return path;
}

test("a private folder is made with its parents, and closed to others when it is empty or ember's already", () => {
  const made = join(work, "a/b");
  ensurePrivateFolder(made);
  expect(modeOf(made)).toBe(0o700);
  for (const path of [openFolder("empty"), openFolder("ours", "ember.db", "config.yaml")]) {
    ensurePrivateFolder(path);
    expect(modeOf(path)).toBe(0o700);
  }
});

test("a folder of other files is never closed to others", () => {
  const path = openFolder("shared", "somebody's file");
  expect(() => ensurePrivateFolder(path)).toThrow("holds other files");
  expect(modeOf(path)).toBe(0o755);
});

test("a symlink is no private folder, wherever it leads", () => {
  symlinkSync(openFolder("target"), join(work, "link"));
  expect(() => ensurePrivateFolder(join(work, "link"))).toThrow("not a folder of this user's own");
});

test("a file is replaced whole, readable by the owner alone", () => {
  const path = join(work, "file");
  writeFileAtomic(path, "old");
  writeFileAtomic(path, "new");
  expect(readFileSync(path, "utf8")).toBe("new");
  expect(modeOf(path)).toBe(0o600);
});
