import { EmberError } from "../../../errors/ember-error.ts";
import type { BuildKernelOptions, BuiltKernelReport } from "../../../types.ts";
import type { Arguments } from "../../parser/arguments.ts";
import type { Command } from "../../parser/command.ts";
import { defined } from "../../parser/defined.ts";
import { type Flag, toggle, value } from "../../parser/flag.ts";
import { choice, count, path, reference, text } from "../../parser/kinds.ts";
import { absolutePath } from "../../parser/path-or-name.ts";
import type { Session, Timed } from "../../session.ts";
import { confirm } from "../confirm.ts";
import { bootedBy } from "./created.ts";

type Arch = "amd64" | "arm64";
type Format = "vmlinux" | "bzimage" | "image";

const file = { complete: "file" } as const;
const yes: Flag<boolean> = toggle("yes", "do not ask: it takes minutes, and some gigabytes meanwhile", {
  short: "y",
});
const jobs: Flag<number | undefined> = value("jobs", "N", count, "compilers that run at once", {
  short: "j",
  default: "the number of processors",
});
const name: Flag<string | undefined> = value("name", "NAME", reference, "what --kernel will take", {
  default: "microvm-VERSION",
});
const config: Flag<string | undefined> = value(
  "config",
  "FILE",
  path,
  "options of your own (CONFIG_NAME=y)",
  file,
);
const source: Flag<string | undefined> = value(
  "source",
  "FILE|URL",
  text,
  "a tarball of the kernel's source",
  {
    ...file,
    default: "the distribution's newest",
  },
);
const keyring: Flag<string | undefined> = value(
  "keyring",
  "FILE",
  path,
  "keys that --source is signed with",
  file,
);
const signature: Flag<string | undefined> = value(
  "signature",
  "FILE|URL",
  text,
  "signature of --source, unpacked",
  {
    ...file,
    default: "beside it: .tar.sign",
  },
);
const sha256: Flag<string | undefined> = value("sha256", "DIGEST", text, "checksum of --source");
const arch: Flag<Arch | undefined> = value("arch", "ARCH", choice<Arch>("amd64", "arm64"), "architecture", {
  default: "this host's",
  complete: ["amd64", "arm64"],
});
const formats: readonly Format[] = ["vmlinux", "bzimage", "image"];
const kind: Flag<Format | undefined> = value(
  "kind",
  "KIND",
  choice(...formats),
  "vmlinux, bzimage or image",
  {
    default: "bzimage, or image on arm64",
    complete: formats,
  },
);
const output: Flag<string | undefined> = value("output", "FILE", path, "write it to a new file instead", {
  ...file,
  short: "o",
});
const container: Flag<boolean> = toggle("container", "compile in a container, not with this host's tools");
const runtimeNames = ["podman", "buildah", "docker"] as const;
const runtime: Flag<string | undefined> = value(
  "container-runtime",
  "NAME",
  choice(...runtimeNames),
  "what runs the container",
  { default: "the first that is installed", complete: runtimeNames },
);
const image: Flag<string | undefined> = value(
  "container-image",
  "REF",
  text,
  "image with a compiler and what else it takes",
  { default: "one that is made of Debian's packages" },
);

export const build: Command = {
  flags: [
    ...[yes, jobs, name, config, source, keyring, signature, sha256, arch, kind, output],
    ...[container, runtime, image],
  ],
  positionals: [],
  description:
    "A small kernel without modules, with what containers in a VM need. Compiled by this host's gcc, or in a container (on macOS always). The source is verified before it is used: Debian's by the archive's signature, a tarball by its own or by a checksum.",
  examples: [
    { line: "ember kernel build -y", shows: "Debian's source, on all processors" },
    { line: "ember kernel build -j 2 --config mine.config --name mine", shows: "with options of your own" },
    {
      line: "ember kernel build --source linux-6.12.tar.xz --keyring kernel.org.asc",
      shows: "a tarball of kernel.org, its signature beside it",
    },
    { line: "ember kernel build --arch arm64 -o Image", shows: "for another host" },
    { line: "ember kernel build --container", shows: "with podman, buildah or docker" },
  ],
  async run(session, args) {
    const { kernels } = await session.ember();
    await confirm(session, args.get(yes), "building a kernel takes minutes, and some gigabytes meanwhile");
    const made = await session.task("building a kernel", (options) =>
      kernels.build({ ...optionsOf(session, args), ...options }),
    );
    print(session, made);
    return 0;
  },
};

function optionsOf(session: Session, args: Arguments): BuildKernelOptions {
  const absolute = (given: string | undefined): string | undefined =>
    given === undefined ? undefined : absolutePath(given, session.context);
  const place = (given: string | undefined): string | undefined =>
    given === undefined || /^https?:\/\//.test(given) ? given : absolute(given);
  const from = place(args.get(source));
  const verified = defined({
    sha256: args.get(sha256),
    keyring: absolute(args.get(keyring)),
    signature: place(args.get(signature)),
  });
  if (from === undefined && Object.keys(verified).length > 0) {
    const hint = "name the tarball with --source; the distribution's own is checked without them";
    throw new EmberError("usage", "--sha256, --keyring and --signature are about a --source", { hint });
  }
  return defined({
    name: args.get(name),
    jobs: args.get(jobs),
    arch: args.get(arch),
    format: args.get(kind),
    config: absolute(args.get(config)),
    output: absolute(args.get(output)),
    source: from === undefined ? undefined : { from, ...verified },
    container: containerOf(args),
  });
}

/** Naming what is only for a container asks for one. */
function containerOf(args: Arguments): BuildKernelOptions["container"] {
  const named = defined({ runtime: args.get(runtime), image: args.get(image) });
  return args.get(container) || Object.keys(named).length > 0 ? named : undefined;
}

function print(session: Session, { value: made, took }: Timed<BuiltKernelReport>): void {
  const name = made.kernel?.name ?? made.path ?? "";
  session.result({
    json: made,
    text: () => `built ${name} (${made.version}, ${made.format}) in ${took}${bootedBy(made.hypervisors)}\n`,
    quiet: () => `${name}\n`,
  });
}
