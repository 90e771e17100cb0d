import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

// What the tests need of this tree in another place: sources, libraries, and the executable; no tools.

const root = join(import.meta.dir, "..", "..");
const sources = ["src", "test", "bench", "guest/internal", "package.json", "tsconfig.json"];
const libraries = ["ssh2", "asn1", "bcrypt-pbkdf", "safer-buffer", "tweetnacl", "valibot", "yaml"];

const executableName = "dist/ember";

/** Changes when the executable that was built does; undefined when there is none. */
export function executableStamp(): string | undefined {
  const found = statSync(join(root, executableName), { throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.size} ${found.mtimeMs}`;
}

/** Adds the tree to a tar file, below `folder`; `executable` becomes its dist/ember. */
export function appendTree(tar: string, folder: string, executable: string): void {
  const below = folder.replace(/^[/]/, "");
  callTar(["-rf", tar, "-C", root, `--transform=flags=rSh;s|^|${below}/|`, ...parts()]);
  callTar(["-rf", tar, "-P", `--transform=flags=rSh;s|.*|${below}/${executableName}|`, executable]);
}

/** The tree as a tar, with or without its executable. */
export function packTree(options: { readonly executable: boolean }): Buffer {
  const all = options.executable ? [...parts(), executableName] : parts();
  return callTar(["-cf", "-", "-C", root, ...all]);
}

/** The files of the sources, one to a line, sorted: what a copy must have, and no more. */
export function listSources(): string {
  const files = ["src", "test"].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
  );
  return files
    .sort()
    .map((name) => `${name}\n`)
    .join("");
}

function parts(): string[] {
  const all = [...sources, ...libraries.map((name) => join("node_modules", name))];
  return all.filter((name) => existsSync(join(root, name)));
}

function callTar(args: readonly string[]): Buffer {
  const { status, stdout, stderr, error } = spawnSync("tar", args, { maxBuffer: 2 ** 30 });
  if (status !== 0) throw new Error(`tar: ${error?.message ?? stderr.toString()}`);
  return stdout;
}
