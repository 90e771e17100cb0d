import { EmberError, toEmberError } from "../../../errors/ember-error.ts";
import type { CreateVmOptions, ImageDetails, RegistryOptions } from "../../../types.ts";
import { mergeSettings, toCreateOptions } from "../../config/vm-settings.ts";
import type { Arguments } from "../../parser/arguments.ts";
import type { Session } from "../../session.ts";
import { registryOptions } from "../image/registry-flags.ts";
import { settingsFromFlags } from "../vm/create-flags.ts";
import { authorizedKeysOf, secretsOf, settingsFromFiles, userDataOf } from "../vm/settings.ts";
import { inventName } from "./invent-name.ts";

/** What `run` is about to do, with the image in place. */
export interface RunPlan {
  readonly image: ImageDetails;
  /** Without the command: how that is started differs. */
  readonly vm: CreateVmOptions;
  /** What to run; never empty. */
  readonly command: readonly string[];
  /** The command that was given, undefined for the image's own. */
  readonly given: readonly string[] | undefined;
}

/** Post-condition: the image is there and there is a command to run. Throws `usage` when the image has none. */
export async function prepare(
  session: Session,
  args: Arguments,
  wanted: { readonly image: string; readonly name: string | undefined },
): Promise<RunPlan> {
  const settings = mergeSettings(
    await settingsFromFiles(session, undefined),
    settingsFromFlags(args, session.context),
  );
  const authorizedKeys = await authorizedKeysOf(settings);
  const secrets = await secretsOf(settings, session.context);
  const userData = await userDataOf(settings);
  const image = await presentImage(session, wanted.image, registryOptions(args, session.context));
  const given = args.rest.length === 0 ? undefined : args.rest;
  const command = given ?? [...image.config.entrypoint, ...image.config.command];
  if (command.length === 0) {
    throw new EmberError("usage", `the image '${wanted.image}' does not say what to run`, {
      hint: `give a command: ember run ${wanted.image} -- sh`,
    });
  }
  const name = wanted.name ?? inventName(image.name);
  const vm = {
    ...toCreateOptions(settings),
    ...secrets,
    ...authorizedKeys,
    ...userData,
    name,
    image: image.name,
  };
  return { image, vm, command, given };
}

async function presentImage(
  session: Session,
  wanted: string,
  registry: RegistryOptions,
): Promise<ImageDetails> {
  const { images } = await session.ember();
  try {
    return await images.inspect(wanted);
  } catch (error) {
    if (toEmberError(error).code !== "image-not-found") throw error;
  }
  const { value: pulled } = await session.task(`pulling ${wanted}`, (options) =>
    images.pull({ reference: wanted, ...registry, ...options }),
  );
  return await images.inspect(pulled.name);
}
