import { EmberError } from "../errors/ember-error.ts";

/** Form of a VM's name (architecture.md section 8): also a host name label, a path component and an SSH alias. */
const vmName = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** Throws `invalid-name`. */
export function checkVmName(name: string): string {
  if (vmName.test(name)) return name;
  const shown = name.length > 70 ? `${name.slice(0, 67)}...` : name;
  throw new EmberError("invalid-name", `${JSON.stringify(shown)} cannot be a VM's name`, {
    hint: "use 1 to 63 lower-case letters, digits and dashes, and begin with a letter or digit",
  });
}
