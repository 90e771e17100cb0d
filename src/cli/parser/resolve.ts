import { EmberError } from "../../errors/ember-error.ts";
import { closest } from "./closest.ts";
import type { Group, Node } from "./command.ts";
import { globalFlags } from "./globals.ts";
import { tokenize } from "./tokenizer.ts";

export interface Resolved {
  readonly node: Node;
  /** Full name of the node, "" for the root. */
  readonly path: string;
  /** What is left for the command: global flags that stood before it, then everything after it. */
  readonly argv: readonly string[];
}

/** Finds the command that an argument vector names. Throws `usage`, with the closest name that is known. */
export function resolve(root: Group, argv: readonly string[]): Resolved {
  const globals: string[] = [];
  const path: string[] = [];
  let node: Node = root;
  let index = 0;
  while (index < argv.length && node.kind === "group") {
    const word = argv[index] ?? "";
    if (word.startsWith("-")) {
      const taken = globalFlagLength(word, argv[index + 1], path.join(" "));
      globals.push(...argv.slice(index, index + taken));
      index += taken;
      continue;
    }
    node = child(node, word, path);
    path.push(word);
    index += 1;
  }
  return { node, path: path.join(" "), argv: [...globals, ...argv.slice(index)] };
}

function child(group: Group, word: string, path: readonly string[]): Node {
  const found = group.children.find((candidate) => candidate.name === word);
  if (found !== undefined) return found;
  const prefix = ["ember", ...path].join(" ");
  const meant = meantBy(group, word);
  throw new EmberError("usage", `unknown command '${[...path, word].join(" ")}'`, {
    hint: meant === undefined ? `see: ${prefix} --help` : `did you mean '${prefix} ${meant}'?`,
  });
}

/** "start" is meant as "vm start": a command of that very name in a group comes before one of a similar name. */
function meantBy(group: Group, word: string): string | undefined {
  const visible = group.children.filter((node) => node.kind === "group" || node.hidden !== true);
  for (const node of visible) {
    if (node.kind === "group" && node.children.some((child) => child.name === word))
      return `${node.name} ${word}`;
  }
  return closest(
    word,
    visible.map((node) => node.name),
  );
}

/** How many words a global flag in front of the command takes. Throws `usage` for any other flag. */
function globalFlagLength(word: string, next: string | undefined, path: string): number {
  const shape = { path, hasRest: false, maximumPositionals: 1 };
  const flag = globalFlags.find((candidate) => word === `--${candidate.name}`);
  if (flag?.placeholder === undefined) {
    tokenize([word], globalFlags, shape);
    return 1;
  }
  tokenize(next === undefined ? [word] : [word, next], globalFlags, shape);
  return 2;
}
