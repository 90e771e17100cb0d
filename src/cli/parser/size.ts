import { EmberError } from "../../errors/ember-error.ts";
import type { Parser } from "./flag.ts";
import { shown } from "./kinds.ts";

const units: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** Bytes from "512M", "4G", "1.5G", "512MiB" (powers of 1024). Throws `invalid-size`. */
export const size: Parser<number> = (input, what) => {
  const match = /^([0-9]{1,12}(?:\.[0-9]{1,3})?)([kmgt])(?:ib)?$/i.exec(input);
  const unit = units[match?.[2]?.toLowerCase() ?? ""];
  if (match === null || unit === undefined) {
    throw new EmberError("invalid-size", `${what} '${shown(input)}' is not a size`, { hint: hintFor(input) });
  }
  const bytes = Math.round(Number(match[1]) * unit);
  if (bytes <= 0 || !Number.isSafeInteger(bytes)) {
    throw new EmberError("invalid-size", `${what} '${input}' is out of range`, {
      hint: "a size is more than nothing and less than 8192T",
    });
  }
  return bytes;
};

function hintFor(input: string): string {
  if (/^[0-9]+$/.test(input)) return `a size needs a unit: ${input}M or ${input}G`;
  if (/^[0-9.]+[kmgt]b$/i.test(input)) return `units are powers of 1024: write ${input.slice(0, -1)}`;
  return "write a number and one of the units K, M, G, T: 512M, 4G";
}
