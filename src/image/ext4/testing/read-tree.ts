import { createHash } from "node:crypto";
import { type BigIntStats, existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { run } from "../../../host/run.ts";
import { type ByteString, bytesOf, fromBytes, toBytes } from "../../tar/bytes.ts";

/** What one path of a mounted tree is, in a form that can be compared and that reads well in a failed test. */
export interface PathFacts {
  readonly kind: string;
  readonly mode: string;
  readonly owner: string;
  readonly mtime: string;
  readonly links: number;
  /** Of a file: length and digest; of a symlink: its target; of a device: its number. */
  readonly content: string;
  /** Names of xattrs with their values in hex. */
  readonly xattrs: Readonly<Record<string, string>>;
}

export type Tree = Record<ByteString, PathFacts>;

/** Everything below a folder, by path from it ("." is the folder itself); lost+found left out. */
export async function readTree(folder: string): Promise<Tree> {
  const xattrs = await readXattrs(folder);
  const tree: Tree = {};
  const open: ByteString[] = ["."];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const absolute = Buffer.concat([Buffer.from(`${folder}/`), toBytes(path)]);
    const facts = lstatSync(absolute, { bigint: true });
    tree[path] = {
      kind: kindOf(Number(facts.mode)),
      mode: (Number(facts.mode) & 0o7777).toString(8),
      owner: `${facts.uid}:${facts.gid}`,
      mtime: `${facts.mtimeNs}`,
      links: Number(facts.nlink) - (path === "." && existsSync(`${folder}/lost+found`) ? 1 : 0),
      content: contentOf(absolute, facts),
      xattrs: xattrs.get(path) ?? {},
    };
    if (!facts.isDirectory()) continue;
    for (const name of readdirSync(absolute, { encoding: "buffer" })) {
      const child = fromBytes(name);
      if (path !== "." || child !== "lost+found") open.push(path === "." ? child : `${path}/${child}`);
    }
  }
  return tree;
}

const kinds: Readonly<Record<number, string>> = {
  1: "fifo",
  2: "character-device",
  4: "folder",
  6: "block-device",
  8: "file",
  10: "symlink",
  12: "socket",
};

function kindOf(mode: number): string {
  return kinds[mode >> 12] ?? "unknown";
}

function contentOf(path: Buffer, facts: BigIntStats): string {
  if (facts.isFile()) {
    if (facts.size > 2n ** 27n) return `${facts.size}`;
    return `${facts.size} ${createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16)}`;
  }
  if (facts.isSymbolicLink()) return fromBytes(readlinkSync(path, { encoding: "buffer" }));
  return facts.isCharacterDevice() || facts.isBlockDevice() ? `device ${facts.rdev}` : "";
}

/** getfattr prints paths and names as they are, or with backslash and octal digits for odd bytes. */
async function readXattrs(folder: string): Promise<Map<ByteString, Record<string, string>>> {
  const result = new Map<ByteString, Record<string, string>>();
  const { stdout } = await run("getfattr", ["-h", "-R", "-d", "-m", "-", "-e", "hex", "."], { cwd: folder });
  let current: Record<string, string> = {};
  for (const line of stdout.split("\n")) {
    if (line.startsWith("# file: ")) {
      current = {};
      result.set(decodeOctal(line.slice(8)), current);
    } else if (line !== "") {
      const [name = "", value = ""] = line.split("=");
      current[decodeOctal(name)] = value;
    }
  }
  return result;
}

function decodeOctal(text: string): string {
  return bytesOf(text).replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
