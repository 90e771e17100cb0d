import { createReadStream } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { EmberError } from "../../errors/ember-error.ts";
import { openCompressed } from "../../image/tar/compressed.ts";
import type { ExpectedFile } from "../download.ts";
import { refuseAborted } from "../unpack-bytes.ts";
import { parseStanza, type Stanza } from "./stanza.ts";

/** A package as an archive's list of packages describes it. */
export interface PackageEntry extends ExpectedFile {
  readonly name: string;
  readonly version: string;
  readonly depends: string;
  /** Below the archive's folder: "pool/main/l/linux/linux-image-....deb". */
  readonly fileName: string;
}

const stanzaLimit = 1024 ** 2;
const packageLimitBytes = 2 * 1024 ** 3;

/** The entries of the packages whose name `isWanted` accepts. Throws `verification-failed` for a list that is broken. */
export async function readPackages(
  path: string,
  isWanted: (name: string) => boolean,
  signal?: AbortSignal,
): Promise<readonly PackageEntry[]> {
  const found: PackageEntry[] = [];
  const { content } = await openCompressed(createReadStream(path), { signal });
  for await (const text of splitStanzas(content)) {
    refuseAborted(signal);
    const name = /^Package: ([a-z0-9][a-z0-9+.-]*)$/m.exec(text)?.[1];
    if (name !== undefined && isWanted(name)) found.push(toEntry(name, parseStanza(text)));
  }
  return found;
}

async function* splitStanzas(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.write(chunk)).split("\n\n");
    rest = parts.pop() ?? "";
    if (rest.length > stanzaLimit) throw broken("an entry has no end");
    yield* parts;
  }
  if (rest.trim() !== "") yield rest;
}

function toEntry(name: string, stanza: Stanza): PackageEntry {
  const field = (key: string): string => stanza.get(key) ?? "";
  const sizeBytes = Number(field("size"));
  const entry = {
    name,
    version: field("version"),
    depends: field("depends"),
    fileName: field("filename"),
    sha256: field("sha256"),
    sizeBytes,
  };
  if (!/^[A-Za-z0-9.+:~-]{1,200}$/.test(entry.version)) throw broken(`'${name}' has no version`);
  if (!isSafePath(entry.fileName)) throw broken(`'${name}' names the file '${entry.fileName}'`);
  if (!/^[0-9a-f]{64}$/.test(entry.sha256)) throw broken(`'${name}' has no checksum`);
  if (!Number.isInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes > packageLimitBytes) {
    throw broken(`'${name}' has no size that is allowed`);
  }
  return entry;
}

function isSafePath(path: string): boolean {
  return /^[A-Za-z0-9._+~:/-]{1,500}\.deb$/.test(path) && !path.startsWith("/") && !path.includes("..");
}

function broken(detail: string): EmberError {
  return new EmberError("verification-failed", `the list of packages cannot be read: ${detail}`, {
    hint: "use another mirror",
  });
}
