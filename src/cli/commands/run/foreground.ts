import type { VmHandle } from "../../../api.ts";
import { defined } from "../../parser/defined.ts";
import type { Session } from "../../session.ts";
import { type Streams, withStreams } from "../guest/terminal.ts";
import type { RunPlan } from "./prepare.ts";

/** Runs the command in a new VM with this process's streams; gives the command's exit status. */
export async function runForeground(
  session: Session,
  plan: RunPlan,
  streams: Streams,
  keep: boolean,
): Promise<number> {
  const { vms } = await session.ember();
  const { value: vm } = await session.task(`starting ${plan.vm.name}`, (options) =>
    // The command is run by exec, so that its streams are ours: the VM itself must not start it as well.
    vms.create({ ...plan.vm, runCommand: false, onExit: "stay", ephemeral: !keep, ...options }),
  );
  let status: number;
  try {
    status = await execute(session, vm, plan, streams);
  } catch (error) {
    await deleteAfterFailure(session, vm, keep);
    throw error;
  }
  if (keep) session.note(`kept ${vm.name}, which is running`);
  else await deleteVm(session, vm);
  return status;
}

/** As the image says it is run: its variables, its folder, its user unless another one was asked for. */
async function execute(session: Session, vm: VmHandle, plan: RunPlan, streams: Streams): Promise<number> {
  session.signal.throwIfAborted();
  const { config } = plan.image;
  const own = config.environment.map((variable): [string, string] => {
    const equals = variable.indexOf("=");
    return equals === -1 ? [variable, ""] : [variable.slice(0, equals), variable.slice(equals + 1)];
  });
  const result = await withStreams(session.context, streams, (wired) =>
    vm.exec(plan.command, {
      environment: { ...Object.fromEntries(own), ...plan.vm.environment },
      ...defined({ user: plan.vm.user ?? (config.user || undefined), workdir: config.workdir || undefined }),
      ...wired,
    }),
  );
  return result.exitStatus;
}

/** Without the signal: it has been aborted when the user interrupted the command, and the VM must go all the same. */
async function deleteVm(session: Session, vm: VmHandle): Promise<void> {
  await session.task(`deleting ${vm.name}`, () => vm.delete({ force: true }));
}

/** The failure of the command matters most; that the VM could not be deleted is told as well. */
async function deleteAfterFailure(session: Session, vm: VmHandle, keep: boolean): Promise<void> {
  if (keep) return;
  try {
    await deleteVm(session, vm);
  } catch (error) {
    session.reportError(error);
  }
}
