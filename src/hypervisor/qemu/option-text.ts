import { EmberError } from "../../errors/ember-error.ts";

/**
 * A value inside one of QEMU's comma-separated options: a comma is written twice, everything else stands for
 * itself. Throws `hypervisor-failed` for what no argument can carry.
 */
export function optionValue(value: string): string {
  if (value.includes("\0")) {
    throw new EmberError("hypervisor-failed", "a hypervisor option contains a zero byte");
  }
  return value.replaceAll(",", ",,");
}

/** One option string: `socket` and `{ path: "/a,b" }` give `socket,path=/a,,b`. Undefined values are left out. */
export function option(
  head: string,
  values: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const parts = Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${optionValue(String(value))}`],
  );
  return [head, ...parts].join(",");
}
