import type { Parser } from "../../parser/flag.ts";
import { shown, text, vmName } from "../../parser/kinds.ts";
import { one, type Positional } from "../../parser/positional.ts";

/** The library knows the exact rules; here only what could not be shown is refused. */
export const snapshotName: Parser<string> = (input, what) => shown(text(input, what));

export const vmArgument: Positional<string> = one("VM", vmName, "name of the VM", { complete: "vm" });

export const nameArgument: Positional<string> = one("NAME", snapshotName, "name of the snapshot", {
  complete: "snapshot",
});
