import { connect } from "node:net";
import { EmberError } from "../../errors/ember-error.ts";
import { isAlive } from "../../host/process-identity.ts";
import type { Machine } from "../hypervisor.ts";
import { controlSocket } from "./places.ts";
import { failureOf, parseReport, type Report } from "./report.ts";

export type Command = "status" | "pause" | "resume" | "press";

const limitMs = 30_000;
const answerLimitBytes = 65_536;

/**
 * Asks the machine's process. Undefined when that is gone. Throws `hypervisor-failed` when it does not answer in time,
 * and what it says of a failure.
 */
export async function ask(machine: Machine, command: Command): Promise<Report | undefined> {
  if (!isAlive(machine.process)) return undefined;
  let line: string;
  try {
    line = await converse(controlSocket(machine.runtimeFolder, machine.vmId), command);
  } catch (cause) {
    if (!isAlive(machine.process)) return undefined;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EmberError("hypervisor-failed", `the hypervisor did not answer '${command}': ${why}`, {
      cause,
    });
  }
  const report = parseReport(line);
  if (report === undefined)
    throw new EmberError("hypervisor-failed", `the hypervisor answered '${command}' with nonsense`);
  if (report.code !== undefined) throw failureOf(report);
  return report;
}

/** One line there, one line back. */
function converse(path: string, command: Command): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = "";
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      end(); // what comes later changes nothing
      socket.destroy();
    };
    const fail = (why: string): void => settle(() => reject(new Error(why)));
    const timer = setTimeout(() => fail(`no answer within ${limitMs / 1000} s`), limitMs);
    socket.on("error", (error) => fail(error.message));
    socket.on("close", () => fail("it hung up"));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      const end = text.indexOf("\n");
      if (end !== -1) settle(() => resolve(text.slice(0, end)));
      else if (text.length > answerLimitBytes) fail("the answer has no end");
    });
    socket.write(`${JSON.stringify({ do: command })}\n`);
  });
}
