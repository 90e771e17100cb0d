import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { checkGuestBinary, type GuestArchitecture, type GuestBinary } from "./architecture.ts";

/** The guest binary beside the sources or in the npm package. Throws `host-unsupported` when it is not built. */
export function guestBinary(arch: GuestArchitecture): GuestBinary {
  const name = join("dist", "guest", `ember-guest-${arch}`);
  const path = findUpwards(import.meta.dirname, name);
  if (path === undefined) {
    throw new EmberError("host-unsupported", `the guest binary for ${arch} is not there ('${name}')`, {
      hint: "build it: make build",
    });
  }
  const bytes = checkGuestBinary(readFileSync(path), arch, path);
  return { sha256: createHash("sha256").update(bytes).digest("hex"), read: () => bytes };
}

/** However deep in the package the compiled form of this file lies, the binaries are below the package's own folder. */
function findUpwards(folder: string, name: string): string | undefined {
  const candidate = join(folder, name);
  if (existsSync(candidate)) return candidate;
  // Not beyond the package: another project's "dist" may be there.
  if (existsSync(join(folder, "package.json")) || dirname(folder) === folder) return undefined;
  return findUpwards(dirname(folder), name);
}
