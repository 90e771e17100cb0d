import { EmberError } from "../../../errors/ember-error.ts";

/** ember-net for this host: a file, or inside this executable. */
export type NetProgram =
  | { readonly kind: "file"; readonly path: string }
  /** `sha256` is hexadecimal. */
  | { readonly kind: "embedded"; readonly sha256: string; readonly read: () => Uint8Array };

/** The part of a binary's name that says what it is for, "linux-amd64". Throws `host-unsupported`. */
export function netTarget(platform: string, cpu: string = process.arch): string {
  if (cpu === "x64") return `${platform}-amd64`;
  if (cpu === "arm64") return `${platform}-arm64`;
  throw new EmberError("host-unsupported", `ember has no user network for the processor '${cpu}'`, {
    hint: "use an x86-64 or arm64 host",
  });
}
