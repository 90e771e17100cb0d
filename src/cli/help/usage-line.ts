import type { Command } from "../parser/command.ts";

/** "ember vm create [NAME] --image IMAGE [flags] [-- COMMAND...]" */
export function usageLine(path: string, command: Command): string {
  const positionals = command.positionals.map(({ name, required, many }) => {
    const shown = many ? `${name}...` : name;
    return required ? shown : `[${shown}]`;
  });
  const required = command.flags
    .filter((flag) => flag.required)
    .map((flag) => `--${flag.name} ${flag.placeholder ?? ""}`.trim());
  const optional = command.flags.some((flag) => !flag.required) ? ["[flags]"] : [];
  return ["ember", path, ...positionals, ...required, ...optional, ...rest(command)].join(" ");
}

function rest(command: Command): string[] {
  if (command.rest === undefined) return [];
  const shown = `-- ${command.rest.name}...`;
  return [command.rest.required ? shown : `[${shown}]`];
}
