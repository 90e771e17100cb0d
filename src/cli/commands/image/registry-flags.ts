import type { RegistryOptions } from "../../../types.ts";
import type { Context } from "../../context.ts";
import type { Arguments } from "../../parser/arguments.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, list, toggle, value } from "../../parser/flag.ts";
import { path, reference } from "../../parser/kinds.ts";
import { absolutePath } from "../../parser/path-or-name.ts";

/** How registries are reached, for every command that may pull. */
const mirror: Flag<readonly string[]> = list(
  "mirror",
  "REGISTRY[/PREFIX]",
  reference,
  "ask this registry first; --no-tls-verify and --plain-http then hold for mirrors only",
);
const ca: Flag<string | undefined> = value(
  "ca",
  "FILE",
  path,
  "trust the certificates in this file as well",
  {
    complete: "file",
  },
);
const plainHttp: Flag<boolean> = toggle("plain-http", "allow plain http, and send no login that way");
const noTlsVerify: Flag<boolean> = toggle("no-tls-verify", "allow plain http and unknown certificates");

export const registryFlags: readonly Flag<unknown>[] = [mirror, ca, plainHttp, noTlsVerify];

export function registryOptions(args: Arguments, context: Context): RegistryOptions {
  const mirrors = args.get(mirror);
  return { ...pushOptions(args, context), ...(mirrors.length === 0 ? {} : { mirrors }) };
}

/** For what is sent: there is one place for that. */
export const pushFlags: readonly Flag<unknown>[] = [ca, plainHttp, noTlsVerify];

export function pushOptions(args: Arguments, context: Context): Omit<RegistryOptions, "mirrors"> {
  const file = args.get(ca);
  return defined({
    certificateFile: file === undefined ? undefined : absolutePath(file, context),
    plainHttp: args.get(plainHttp) || undefined,
    tlsVerify: args.get(noTlsVerify) ? false : undefined,
  });
}

/** For commands that pull only what is absent; empty when nothing was said. */
export function registryOf(args: Arguments, context: Context): { readonly registry?: RegistryOptions } {
  const options = registryOptions(args, context);
  return Object.keys(options).length === 0 ? {} : { registry: options };
}
