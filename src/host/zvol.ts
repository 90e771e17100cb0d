import { existsSync } from "node:fs";
import { installHint } from "#platform";
import { EmberError } from "../errors/ember-error.ts";
import { readTool } from "./run-sync.ts";

/** Where packages put the program that udev asks for a ZFS volume's name. */
const places = ["/lib/udev/zvol_id", "/usr/lib/udev/zvol_id", "/usr/libexec/udev/zvol_id"];

/** The volume that a block device is, as the kernel says; undefined for other devices. Throws `tool-missing`. */
export function zvolName(device: string): string | undefined {
  const tool = places.find((place) => existsSync(place));
  if (tool === undefined) {
    throw new EmberError("tool-missing", "'zvol_id' is not installed", { hint: installHint("zfs") });
  }
  const name = readTool(tool, [device]).trim();
  return name === "" ? undefined : name;
}
