import type { VmHandle } from "../../../api.ts";
import type { Session, Timed } from "../../session.ts";

/** Prints a VM that was just made. */
export async function printCreated(
  session: Session,
  verb: string,
  { value, took }: Timed<VmHandle>,
): Promise<void> {
  const vm = await value.inspect();
  const address = vm.network.guestIp === null ? "" : ` at ${vm.network.guestIp}`;
  const state = vm.status === "running" ? `running${address}` : vm.status;
  session.result({
    json: vm,
    text: () => `${verb} ${vm.name} (${state}) in ${took}\n`,
    quiet: () => `${vm.name}\n`,
  });
}
