import { codeOf, systemErrorWords } from "./answers.ts";

/** The jailer gives up: the message, and the error as Rust shows it. */
export class JailerError extends Error {
  readonly rust: string;

  constructor(message: string, rust: string) {
    super(message);
    this.rust = rust;
  }
}

const kinds: Readonly<Record<string, string>> = {
  ENOENT: "NotFound",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EEXIST: "AlreadyExists",
  ELOOP: "FilesystemLoop",
};

/** A system error as Rust shows it. */
export function rustError(error: unknown): string {
  const code = codeOf(error);
  const [, message, number] = /^(.*) \(os error (\d+)\)$/.exec(systemErrorWords(code)) ?? [];
  return `Os { code: ${number}, kind: ${kinds[code] ?? "Uncategorized"}, message: ${JSON.stringify(message)} }`;
}

export const words = (error: unknown): string => systemErrorWords(codeOf(error));

/** Runs a step; what it throws becomes an error of this name. */
export function attempt<T>(step: () => T, name: string, path: string, message: (why: string) => string): T {
  try {
    return step();
  } catch (error) {
    if (error instanceof JailerError) throw error;
    throw new JailerError(message(words(error)), `${name}(${JSON.stringify(path)}, ${rustError(error)})`);
  }
}
