import { EmberError } from "../../errors/ember-error.ts";
import { type DownloadOptions, download } from "../download.ts";
import { MemorySink } from "../sinks.ts";
import { parseXml, type XmlElement } from "./xml.ts";

/** What a bucket says that it holds below a prefix. Nothing of it has been checked but its form. */
export interface Listing {
  readonly objects: readonly { readonly key: string; readonly sizeBytes: number }[];
  /** What stands for folders: keys up to the delimiter. */
  readonly prefixes: readonly string[];
}

interface Page extends Listing {
  /** Undefined on the last page. */
  readonly next: string | undefined;
}

/** A page of S3 has at most 1000 entries, each well below 1 KiB. */
const limits = { pageBytes: 4 * 1024 ** 2, pages: 50, tokenLength: 2048 };

/**
 * Everything that `bucket` (an S3 bucket's address, without a slash at its end) has below `prefix`, up to the next slash.
 * Throws `download-failed`, `verification-failed` (a page that is too large), `interrupted`.
 */
export async function listBucket(bucket: string, prefix: string, options: DownloadOptions): Promise<Listing> {
  const found: Page[] = [];
  const tokens = new Set<string>();
  for (let next: string | undefined; ; ) {
    const url = listUrl(bucket, prefix, next);
    const sink = new MemorySink();
    await download(url, { atMost: limits.pageBytes }, sink, options);
    const page = parsePage(sink.content().toString("utf8"));
    if (page === undefined) throw notAList(url, "it does not answer with a list of files");
    found.push(page);
    next = page.next;
    if (next === undefined) break;
    if (tokens.has(next) || found.length === limits.pages) throw notAList(url, "its list does not end");
    tokens.add(next);
  }
  return {
    objects: found.flatMap(({ objects }) => objects),
    prefixes: found.flatMap(({ prefixes }) => prefixes),
  };
}

function listUrl(bucket: string, prefix: string, next: string | undefined): string {
  const query = new URLSearchParams({ "list-type": "2", prefix, delimiter: "/" });
  if (next !== undefined) query.set("continuation-token", next);
  return `${bucket}/?${query}`;
}

function parsePage(text: string): Page | undefined {
  const root = parseXml(text);
  if (root?.name !== "ListBucketResult") return undefined;
  const truncated = valueIn(root, "IsTruncated");
  const next = valueIn(root, "NextContinuationToken");
  const objects = childrenOf(root, "Contents").map(toObject);
  const prefixes = childrenOf(root, "CommonPrefixes").map((entry) => valueIn(entry, "Prefix"));
  const whole = objects.filter((entry) => entry !== undefined);
  const named = prefixes.filter((entry) => entry !== undefined);
  if (whole.length !== objects.length || named.length !== prefixes.length) return undefined;
  if (truncated === "false") return { objects: whole, prefixes: named, next: undefined };
  if (truncated !== "true" || next === undefined || next === "" || next.length > limits.tokenLength) {
    return undefined;
  }
  return { objects: whole, prefixes: named, next };
}

function toObject(entry: XmlElement): { key: string; sizeBytes: number } | undefined {
  const key = valueIn(entry, "Key");
  const size = valueIn(entry, "Size");
  if (key === undefined || size === undefined || !/^[0-9]{1,15}$/.test(size)) return undefined;
  return { key, sizeBytes: Number(size) };
}

const childrenOf = (element: XmlElement, name: string): readonly XmlElement[] =>
  element.children.filter((child) => child.name === name);

/** Undefined also when there are several. */
function valueIn(element: XmlElement, name: string): string | undefined {
  const [only, ...more] = childrenOf(element, name);
  return more.length > 0 || (only?.children.length ?? 0) > 0 ? undefined : only?.text;
}

function notAList(url: string, reason: string): EmberError {
  return new EmberError("download-failed", `'${url}' cannot be used: ${reason}`, {
    hint: "a proxy or a login page may stand before it: look at the address in a browser, or try again later",
  });
}
