import { type EmberError, toEmberError } from "../../../errors/ember-error.ts";
import type { RunningTaskOptions, Session } from "../../session.ts";

const maximumAtOnce = 4;

export interface Wording {
  /** "starting" */
  readonly doing: string;
  /** "started" */
  readonly done: string;
}

export interface EachOptions {
  /** Whether a failure may be over once others are done: then it is tried again. */
  readonly mayPass?: (error: EmberError) => boolean;
}

/**
 * Does something to every VM that was named, a few at a time. All of them are tried; each failure is reported, and
 * the status is that of the first one in the order of the command line.
 */
export async function forEachVm(
  session: Session,
  names: readonly string[],
  wording: Wording,
  action: (name: string, options: RunningTaskOptions) => Promise<void>,
  { mayPass = () => false }: EachOptions = {},
): Promise<number> {
  const unique = [...new Set(names)];
  const single = unique[0];
  if (unique.length === 1 && single !== undefined) {
    await one(session, single, wording, action);
    return 0;
  }
  const statuses: number[] = unique.map(() => 0);
  let waiting = [...unique.entries()];
  let postponed: [number, string][] = [];
  let last = false;
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [position, name] = next;
      try {
        session.signal.throwIfAborted();
        await one(session, name, wording, action);
      } catch (error) {
        if (!last && mayPass(toEmberError(error))) postponed.push(next);
        else statuses[position] = await failed(session, name, error);
      }
    }
  };
  while (waiting.length > 0) {
    const tried = waiting.length;
    await Promise.all(Array.from({ length: Math.min(maximumAtOnce, tried) }, worker));
    session.signal.throwIfAborted();
    last = postponed.length === tried; // nothing changed: the failures are told
    [waiting, postponed] = [postponed, []];
  }
  return statuses.find((status) => status !== 0) ?? 0;
}

async function one(
  session: Session,
  name: string,
  wording: Wording,
  action: (name: string, options: RunningTaskOptions) => Promise<void>,
): Promise<void> {
  const { took } = await session.task(`${wording.doing} ${name}`, (options) => action(name, options));
  session.note(`${wording.done} ${name} in ${took}`);
}

/** An interruption is told once, for all of them, by the caller. */
async function failed(session: Session, name: string, thrown: unknown): Promise<number> {
  const error = toEmberError(thrown);
  if (error.code === "interrupted" && session.signal.aborted) return error.exitStatus;
  session.reportError(error.message.includes(name) ? error : await naming(name, thrown));
  return error.exitStatus;
}

/** With several VMs an error must say which one it is about. */
async function naming(name: string, thrown: unknown): Promise<Error> {
  const { EmberError } = await import("../../../errors/ember-error.ts");
  const error = toEmberError(thrown);
  return new EmberError(error.code, `${name}: ${error.message}`, {
    cause: thrown,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
