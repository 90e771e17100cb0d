import { accessSync, constants, existsSync } from "node:fs";
import { platform } from "node:os";
import { dirname, join } from "node:path";
import { EmberError } from "../../../errors/ember-error.ts";
import { type NetProgram, netTarget } from "./program.ts";

/** ember-net beside the sources or in the npm package. Throws `host-unsupported` when it is not built. */
export function netProgram(): NetProgram {
  // The host's own system, whose drivers these need not be: tests run macOS's on Linux.
  const name = join("dist", "net", `ember-net-${netTarget(platform())}`);
  const path = findUpwards(import.meta.dirname, name);
  if (path !== undefined) return { kind: "file", path };
  throw new EmberError("host-unsupported", `the user network's program is not there ('${name}')`, {
    hint: "build it: make build",
  });
}

/** However deep in the package the compiled form of this file lies, the binaries are below the package's own folder. */
function findUpwards(folder: string, name: string): string | undefined {
  const candidate = join(folder, name);
  if (isExecutable(candidate)) return candidate;
  // Not beyond the package: another project's "dist" may be there.
  if (existsSync(join(folder, "package.json")) || dirname(folder) === folder) return undefined;
  return findUpwards(dirname(folder), name);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
