import type { Shell } from "../commands/completion.ts";
import { bashScript } from "./bash.ts";
import type { Described } from "./describe.ts";
import { fishScript } from "./fish.ts";
import { zshScript } from "./zsh.ts";

const scripts: Readonly<Record<Shell, (commands: readonly Described[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** The completion script of a shell, made from the commands' own data; names of VMs and so on are asked for when used. */
export const completionScript = (shell: Shell, commands: readonly Described[]): string =>
  scripts[shell](commands);
