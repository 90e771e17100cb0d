import type { KernelSummary } from "../../../types.ts";
import type { Session, Timed } from "../../session.ts";

/** Prints a kernel that was just taken in. */
export function printKernel(session: Session, verb: string, { value, took }: Timed<KernelSummary>): void {
  session.result({
    json: value,
    text: () => {
      const { name, version, format } = value;
      return `${verb} ${name} (${version}, ${format}) in ${took}${bootedBy(value.hypervisors)}\n`;
    },
    quiet: () => `${value.name}\n`,
  });
}

/** Goes after what was done. */
export const bootedBy = (hypervisors: readonly string[]): string =>
  hypervisors.length === 0 ? "; no hypervisor here can boot it" : `; boots under ${hypervisors.join(", ")}`;
