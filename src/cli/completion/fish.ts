import type { Completion, Flag } from "../parser/flag.ts";
import type { Described } from "./describe.ts";

export const fishScript = (commands: readonly Described[]): string => `# ember completion for fish

# The words of the command that is being written, without flags and arguments.
function __ember_route
    set -l route
    for word in (commandline -opc)[2..-1]
        switch $word
            case '--'
                echo --
                return
            case '-*'
                continue
            case '*'
                switch (string join ' ' $route $word)
                    case ${commands
                      .filter(({ path }) => path !== "")
                      .map(({ path }) => quoted(path))
                      .join(" ")}
                        set -a route $word
                end
        end
    end
    string join ' ' $route
end

function __ember_at
    set -l route (__ember_route)
    test "$route" = "$argv[1]"
end

# The first argument of the command that is being written.
function __ember_first_argument
    set -l route (string split ' ' (__ember_route))
    set -l words (string match -v -- '-*' (commandline -opc)[2..-1])
    echo $words[(math (count $route) + 1)]
end

function __ember_names
    set -l program (commandline -opc)[1]
    if test $argv[1] = snapshot
        $program __complete snapshot (__ember_first_argument) 2>/dev/null
    else
        $program __complete $argv[1] 2>/dev/null
    end
end

complete -c ember -f
${commands.flatMap(linesOf).join("\n")}
`;

function linesOf({ path, children, flags, arguments: places }: Described): string[] {
  const at = `complete -c ember -n ${quoted(`__ember_at "${path}"`)}`;
  const commandLines = children.map(({ name, summary }) => `${at} -a ${quoted(name)} -d ${quoted(summary)}`);
  const kinds = [...new Set(places.map((place) => offer(place)).filter((words) => words !== ""))];
  return [
    ...commandLines,
    ...flags.map((flag) => `${at} ${flagPart(flag)}`),
    ...kinds.map((kind) => `${at} ${kind}`),
  ];
}

function flagPart(flag: Flag<unknown>): string {
  const short = flag.short === undefined ? "" : `-s ${flag.short} `;
  const value = flag.placeholder === undefined ? "" : ` ${valuePart(flag.complete)}`;
  return `${short}-l ${flag.name}${value} -d ${quoted(flag.summary)}`;
}

/** A value is needed, and only a file where files are meant. */
function valuePart(completion: Completion | undefined): string {
  return completion === "file" ? "-r -F" : `-x ${offer(completion)}`.trim();
}

function offer(completion: Completion | undefined): string {
  if (completion === undefined) return "";
  if (completion === "file") return "-F";
  const words = typeof completion === "string" ? `(__ember_names ${completion})` : completion.join(" ");
  return `-a ${quoted(words)}`;
}

const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
