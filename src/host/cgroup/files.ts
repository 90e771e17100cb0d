import {
  accessSync,
  constants,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { errnoCode } from "../../errors/ember-error.ts";

/** What one does with control groups: folders that the kernel makes and fills. All but `isWritable` throw system errors. */
export interface GroupFiles {
  readonly read: (path: string) => string;
  readonly write: (path: string, value: string) => void;
  readonly isWritable: (path: string) => boolean;
  /** Idempotent. */
  readonly makeGroup: (path: string) => void;
  /** Of an empty group. Idempotent. */
  readonly removeGroup: (path: string) => void;
  /** Names of the groups in a group; none when it is not there. */
  readonly groupsIn: (path: string) => readonly string[];
}

export const groupFiles: GroupFiles = {
  read: (path) => readFileSync(path, "utf8"),
  write: (path, value) => writeFileSync(path, value, { flag: "r+" }),
  isWritable: (path) => {
    try {
      accessSync(path, constants.W_OK);
      return true;
    } catch {
      return false; // whatever the reason is, nothing can be written there
    }
  },
  makeGroup: (path) => ignoring("EEXIST", () => mkdirSync(path)),
  removeGroup: (path) => ignoring("ENOENT", () => rmdirSync(path)),
  groupsIn: (path) => {
    try {
      const entries = readdirSync(path, { withFileTypes: true });
      return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    } catch (error) {
      if (errnoCode(error) === "ENOENT") return [];
      throw error;
    }
  },
};

function ignoring(code: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (errnoCode(error) !== code) throw error;
  }
}
