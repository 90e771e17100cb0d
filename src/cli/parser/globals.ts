import { type Flag, toggle, value } from "./flag.ts";
import { choice, path } from "./kinds.ts";

export type Format = "table" | "json";

export const stateDirFlag: Flag<string | undefined> = value(
  "state-dir",
  "DIR",
  path,
  "where ember keeps everything (or EMBER_STATE_DIR)",
  { complete: "file" },
);

export const formatFlag: Flag<Format | undefined> = value(
  "format",
  "FORMAT",
  choice<Format>("table", "json"),
  "table or json; errors follow it too",
  { default: "table", complete: ["table", "json"] },
);

export const quietFlag: Flag<boolean> = toggle("quiet", "no progress, no messages; names only in lists", {
  short: "q",
});

export const verboseFlag: Flag<boolean> = toggle(
  "verbose",
  "say what is being done, and where a fault arose",
);

export const helpFlag: Flag<boolean> = toggle("help", "explain the command", { short: "h" });

/** Allowed with every command, anywhere before `--`. */
export const globalFlags: readonly Flag<unknown>[] = [
  stateDirFlag,
  formatFlag,
  quietFlag,
  verboseFlag,
  helpFlag,
];
