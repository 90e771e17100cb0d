import type { KernelSummary } from "../../../types.ts";
import type { Session, Timed } from "../../session.ts";

/** Prints a kernel that was just taken in. */
export function printKernel(session: Session, verb: string, { value, took }: Timed<KernelSummary>): void {
  session.result({
    json: value,
    text: () => `${verb} ${value.name} (${value.version}) in ${took}\n`,
    quiet: () => `${value.name}\n`,
  });
}
