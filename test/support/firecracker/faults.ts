import { readFileSync } from "node:fs";
import type { ApiRequest } from "./http-server.ts";
import { record } from "./qmp.ts";

/** What goes wrong with a request. */
export type Fault =
  | { readonly kind: "die" | "malformed" | "hang" | "close" }
  | { readonly kind: "status"; readonly status: number }
  /** It is done as asked, and answered late. */
  | { readonly kind: "late"; readonly ms: number };

/**
 * The fault that a test has ordered for this request. FC_DOUBLE_FAULT, or "fault" in the file that FC_DOUBLE_CONFIG
 * names, which is read anew for each request: "PUT /boot-source: die; PUT /drives/: late:3000". A path that ends in a
 * slash means all below it. Throws for an order that nobody understands.
 */
export function faultFor({ method, path }: ApiRequest): Fault | undefined {
  const orders = setting("fault") ?? process.env["FC_DOUBLE_FAULT"] ?? "";
  for (const order of orders.split(";").filter((text) => text.trim() !== "")) {
    const parts = /^\s*(GET|PUT|PATCH)\s+(\/\S*?)\s*:\s*(\S+)\s*$/.exec(order);
    const [, wanted, where = "", what = ""] = parts ?? [];
    const fault = parseFault(what);
    if (fault === undefined) throw new Error(`the fault '${order}' means nothing`);
    const fits = where.endsWith("/") && where !== "/" ? path.startsWith(where) : path === where;
    if (wanted === method && fits) return fault;
  }
  return undefined;
}

function parseFault(what: string): Fault | undefined {
  const late = /^late:(\d+)$/.exec(what)?.[1];
  if (late !== undefined) return { kind: "late", ms: Number(late) };
  if (/^[45]\d\d$/.test(what)) return { kind: "status", status: Number(what) };
  if (what === "die" || what === "malformed" || what === "hang" || what === "close") return { kind: what };
  return undefined;
}

/** A text of the file that FC_DOUBLE_CONFIG names. */
export function setting(name: "fault" | "version"): string | undefined {
  const path = process.env["FC_DOUBLE_CONFIG"];
  if (path === undefined || path === "") return undefined;
  const value = record(JSON.parse(readFileSync(path, "utf8")))[name];
  return typeof value === "string" ? value : undefined;
}
