import type { Session } from "../../session.ts";
import type { RunPlan } from "./prepare.ts";

/** Leaves a VM running whose process is the command. Prints its name. */
export async function runDetached(session: Session, plan: RunPlan): Promise<number> {
  const { vms } = await session.ember();
  const { value: handle } = await session.task(`starting ${plan.vm.name}`, (options) =>
    vms.create({
      ...plan.vm,
      onExit: "poweroff",
      ...(plan.given === undefined ? {} : { command: plan.given }),
      ...options,
    }),
  );
  const vm = await handle.inspect();
  session.result({ json: vm, text: () => `${vm.name}\n` });
  return 0;
}
