import { EmberError } from "../../../errors/ember-error.ts";
import type { Parser } from "../../parser/flag.ts";
import { text, vmName } from "../../parser/kinds.ts";

/** One side of a copy. */
export type Operand =
  | { readonly kind: "guest"; readonly name: string; readonly path: string }
  | { readonly kind: "host"; readonly path: string }
  /** A tar stream on standard input or output. */
  | { readonly kind: "stream" };

/**
 * "NAME:PATH" is in a guest; "-" is a stream; everything else is on this host, also a path whose first part holds a
 * slash or is no VM name before its colon ("./a:b", "/x:y"). Throws `usage`, `invalid-name`.
 */
export const operand: Parser<Operand> = (input, what) => {
  if (input === "-") return { kind: "stream" };
  const colon = input.indexOf(":");
  const before = input.slice(0, Math.max(0, colon));
  if (colon < 1 || before.includes("/")) return { kind: "host", path: text(input, what) };
  const path = input.slice(colon + 1);
  if (path === "" || path.includes("\0")) {
    throw new EmberError("usage", `'${input}' names no path in the guest`, { hint: `write ${before}:/path` });
  }
  return { kind: "guest", name: vmName(before, what), path };
};
