import { EmberError } from "../../errors/ember-error.ts";
import { parseSecretHost } from "../../policy/host-rule.ts";
import type { Parser } from "./flag.ts";
import { shown } from "./kinds.ts";

/** Where a secret's value is read from: a file of this host, or a variable of this process. */
export type SecretOrigin =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "variable"; readonly variable: string };

export interface SecretFlag {
  readonly name: string;
  readonly from: SecretOrigin;
}

/** A host for one secret, or without a name for all of the command. */
export interface SecretHostFlag {
  readonly name: string | undefined;
  readonly host: string;
}

const namePattern = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** "NAME=@FILE" or "NAME=env:VARIABLE"; never the value itself. Throws `usage`. */
export const secret: Parser<SecretFlag> = (input, what) => {
  const equals = input.indexOf("=");
  const name = equals === -1 ? input : input.slice(0, equals);
  if (!namePattern.test(name)) throw notAName(name, what);
  if (equals === -1) {
    throw new EmberError("usage", `${what} '${name}' does not say where its value is`, {
      hint: `write ${what} ${name}=@FILE or ${what} ${name}=env:VARIABLE`,
    });
  }
  return { name, from: secretOrigin(input.slice(equals + 1), `${what} ${name}`) };
};

/** "@FILE" or "env:VARIABLE". Errors never repeat what is neither, which may be the secret. Throws `usage`. */
export const secretOrigin: Parser<SecretOrigin> = (input, what) => {
  if (input.startsWith("@") && input.length > 1) return { kind: "file", path: input.slice(1) };
  const variable = /^env:(.*)$/s.exec(input)?.[1];
  if (variable !== undefined && namePattern.test(variable)) return { kind: "variable", variable };
  if (variable !== undefined || input === "@") {
    throw new EmberError("usage", `${what} names no file and no variable to read`, {
      hint: "write @FILE or env:VARIABLE",
    });
  }
  throw new EmberError(
    "usage",
    `${what} holds its value, which the list of processes and the shell's history would show to others`,
    {
      hint: "put it into a file that only you can read and write @FILE, or into a variable and write env:VARIABLE",
    },
  );
};

/** "[NAME=]HOST". Throws `usage`. */
export const secretHost: Parser<SecretHostFlag> = (input, what) => {
  const equals = input.indexOf("=");
  const name = equals === -1 ? undefined : input.slice(0, equals);
  if (name !== undefined && !namePattern.test(name)) throw notAName(name, what);
  return { name, host: parseSecretHost(input.slice(equals + 1), what) };
};

function notAName(name: string, what: string): EmberError {
  return new EmberError("usage", `${what} '${shown(name)}' is not a variable's name`, {
    hint: "a secret is a variable in the guest: letters, digits and '_', not beginning with a digit",
  });
}
