import { basename } from "node:path";
import { EmberError } from "../errors/ember-error.ts";

/** Form of a kernel's name: also a path component, and never one that begins with a dot. */
const form = /^[a-z0-9][a-z0-9.-]{0,62}$/;

export const isKernelName = (name: string): boolean => form.test(name);

/** Throws `invalid-name`. */
export function checkKernelName(name: string): string {
  if (isKernelName(name)) return name;
  const shown = name.length > 70 ? `${name.slice(0, 67)}...` : name;
  throw new EmberError("invalid-name", `${JSON.stringify(shown)} cannot be a kernel's name`, {
    hint: "use 1 to 63 lower-case letters, digits, dots and dashes, and begin with a letter or digit",
  });
}

/** A name made from a file's: "vmlinux-6.1_mine" becomes "vmlinux-6.1-mine". Throws `invalid-name` when none is left. */
export function nameFromFile(path: string): string {
  const name = basename(path)
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "-")
    .replace(/^[.-]+/, "")
    .slice(0, 63);
  return checkKernelName(name);
}
