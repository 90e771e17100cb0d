import { readFileSync } from "node:fs";
import digestPath from "#guest-digest" with { type: "file" };
// Which of the two binaries this is, package.json decides by the condition that the build names.
import path from "#guest-file" with { type: "file" };
import {
  checkGuestBinary,
  type GuestArchitecture,
  type GuestBinary,
  hostArchitecture,
  notForArchitecture,
} from "./architecture.ts";

const place = "the guest binary in this executable";

/** The guest binary inside this executable, which holds its own architecture's only. Throws `host-unsupported`. */
export function guestBinary(arch: GuestArchitecture): GuestBinary {
  if (arch !== hostArchitecture()) throw notForArchitecture(arch, place);
  return {
    sha256: readFileSync(digestPath, "utf8"),
    read: () => checkGuestBinary(readFileSync(path), arch, place),
  };
}
