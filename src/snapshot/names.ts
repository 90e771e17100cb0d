import { EmberError } from "../errors/ember-error.ts";

/** What `restore` calls the state that it replaces. */
export const beforeRestore = "before-restore";

const form = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** Throws `invalid-name`. */
export function checkSnapshotName(name: string): string {
  if (name === beforeRestore) {
    throw new EmberError(
      "invalid-name",
      `'${beforeRestore}' is the name that a restore gives to what it replaces`,
      {
        hint: "choose another name",
      },
    );
  }
  if (form.test(name)) return name;
  const shown = name.length > 70 ? `${name.slice(0, 67)}...` : name;
  throw new EmberError("invalid-name", `${JSON.stringify(shown)} cannot be a snapshot's name`, {
    hint: "use 1 to 63 lower-case letters, digits, dots, dashes and underscores, and begin with a letter or digit",
  });
}

/** The time in UTC, as "20260131-120000": how a snapshot is called that is given no name. */
export function nameFromTime(now: Date): string {
  const [date = "", time = ""] = now.toISOString().split("T");
  return `${date.replaceAll("-", "")}-${time.slice(0, 8).replaceAll(":", "")}`;
}
