import { EmberError } from "../../../errors/ember-error.ts";
import { mergeSettings, toCreateOptions, type VmSettings } from "../../config/vm-settings.ts";
import type { Arguments } from "../../parser/arguments.ts";
import type { Command } from "../../parser/command.ts";
import { type Flag, value } from "../../parser/flag.ts";
import { line, path, reference, vmName } from "../../parser/kinds.ts";
import { absolutePath } from "../../parser/path-or-name.ts";
import { optional, type Positional } from "../../parser/positional.ts";
import type { Session } from "../../session.ts";
import { registryFlags, registryOf } from "../image/registry-flags.ts";
import { fullCopyFlag, noStartFlag } from "./arguments.ts";
import { describingFlags, settingsFromFlags } from "./create-flags.ts";
import { printCreated } from "./created.ts";
import { authorizedKeysOf, secretsOf, settingsFromFiles, userDataOf } from "./settings.ts";

const name: Positional<string | undefined> = optional(
  "NAME",
  vmName,
  "name of the new VM (or from the file)",
);
const image: Flag<string | undefined> = value(
  "image",
  "IMAGE",
  reference,
  "image to start from; pulled when absent",
  {
    complete: "image",
  },
);
const bootArguments: Flag<string | undefined> = value(
  "boot-args",
  "TEXT",
  line,
  "added to the kernel's command line",
);
const vmConfig: Flag<string | undefined> = value(
  "vm-config",
  "FILE",
  path,
  "YAML file that describes the VM",
  {
    complete: "file",
  },
);

const userData: Flag<string | undefined> = value(
  "user-data",
  "FILE",
  path,
  "given to the image's cloud-init, as clouds do",
  {
    complete: "file",
  },
);

export const create: Command = {
  flags: [
    image,
    ...describingFlags,
    bootArguments,
    userData,
    vmConfig,
    fullCopyFlag,
    noStartFlag,
    ...registryFlags,
  ],
  positionals: [name],
  rest: { name: "COMMAND", summary: "runs in place of the image's own command", required: false },
  description:
    "Settings come from the flags, else from the --vm-config file, else from config.yaml in the state folder, else " +
    "from the defaults below. The VM is ready for commands when this returns.",
  examples: [
    { line: "ember vm create web --image nginx -p 8080:80", shows: "a web server on port 8080" },
    { line: "ember vm create box --image debian --cpus 2 --memory 1G", shows: "a bigger machine" },
    {
      line: "ember vm create bot --image node --allow-host '*.npmjs.org' --secret TOKEN=env:NPM_TOKEN --secret-host registry.npmjs.org",
      shows: "reaches npm alone, with a token that it never sees",
    },
    { line: "ember vm create --vm-config web.yaml", shows: "everything from a file" },
    {
      line: "ember vm create job --image debian -- sh -c 'date; sleep 9'",
      shows: "with a command of your own",
    },
  ],
  async run(session, args) {
    const settings = await gather(session, args);
    const secrets = await secretsOf(settings, session.context);
    const { vms } = await session.ember();
    const made = await session.task(`creating ${settings.name}`, async (options) =>
      vms.create({
        ...toCreateOptions(settings),
        ...secrets,
        name: settings.name,
        image: settings.image,
        ...(args.rest.length === 0 ? {} : { command: args.rest }),
        ...(await authorizedKeysOf(settings)),
        ...(await userDataOf(settings)),
        ...registryOf(args, session.context),
        fullCopy: args.get(fullCopyFlag),
        start: !args.get(noStartFlag),
        ...options,
      }),
    );
    await printCreated(session, "created", made);
    return 0;
  },
};

async function gather(
  session: Session,
  args: Arguments,
): Promise<VmSettings & { name: string; image: string }> {
  const userDataPath = args.get(userData);
  const merged = mergeSettings(await settingsFromFiles(session, args.get(vmConfig)), {
    ...settingsFromFlags(args, session.context),
    name: args.get(name),
    image: args.get(image),
    bootArguments: args.get(bootArguments),
    userDataFile: userDataPath === undefined ? undefined : absolutePath(userDataPath, session.context),
  });
  const missing = (what: string, key: string): EmberError =>
    new EmberError("usage", `${what} is missing`, {
      hint: `write: ember vm create NAME --image IMAGE, or put '${key}' into the --vm-config file`,
    });
  if (merged.name === undefined) throw missing("NAME", "name");
  if (merged.image === undefined) throw missing("--image IMAGE", "image");
  return { ...merged, name: merged.name, image: merged.image };
}
