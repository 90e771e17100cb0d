import type { Session } from "../session.ts";
import type { Arguments } from "./arguments.ts";
import type { Flag } from "./flag.ts";
import type { Positional } from "./positional.ts";

export interface Example {
  readonly line: string;
  /** What it does, in a few words. */
  readonly shows: string;
}

/** What follows `--`, handed on word for word. */
export interface Rest {
  readonly name: string;
  readonly summary: string;
  readonly required: boolean;
}

/** One command as data, with the one function that turns its arguments into a library call and a rendering. */
export interface Command {
  readonly flags: readonly Flag<unknown>[];
  readonly positionals: readonly Positional<unknown>[];
  readonly rest?: Rest;
  /** Further paragraphs of the help text. */
  readonly description?: string;
  readonly examples: readonly Example[];
  /**
   * It changes nothing, or goes on until it is interrupted: an interruption ends it at once, without waiting for the
   * library and without a message.
   */
  readonly readOnly?: boolean;
  /** The exit status of the process; failures are thrown. */
  run(session: Session, args: Arguments): Promise<number>;
}

/** A command's place in the tree; the command itself is loaded when it is used. */
export interface Leaf {
  readonly kind: "command";
  readonly name: string;
  readonly summary: string;
  /** For programs, not for people: left out of help and completion. */
  readonly hidden?: boolean;
  load(): Promise<Command>;
}

export interface Group {
  readonly kind: "group";
  readonly name: string;
  readonly summary: string;
  readonly children: readonly Node[];
}

export type Node = Leaf | Group;
