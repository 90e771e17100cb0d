import { readFileSync } from "node:fs";
// Which of the two binaries this is, package.json decides by the condition that the build names.
import path from "#guest-file" with { type: "file" };
import { checkGuestBinary, type GuestArchitecture } from "./architecture.ts";

/** The guest binary inside this executable, which holds one architecture's only. Throws `host-unsupported`. */
export function readGuestBinary(arch: GuestArchitecture): Uint8Array {
  return checkGuestBinary(readFileSync(path), arch, "the guest binary in this executable");
}
