import * as v from "valibot";
import { EmberError } from "../../errors/ember-error.ts";

/** What QEMU says on its control socket: a greeting first, then answers and events in any order. */
export type QmpMessage =
  | { readonly kind: "greeting" }
  | { readonly kind: "event"; readonly name: string }
  | { readonly kind: "result"; readonly id: number | undefined; readonly value: unknown }
  | { readonly kind: "error"; readonly id: number | undefined; readonly reason: string };

const id = v.optional(v.number());
const shapes = v.union([
  v.object({ QMP: v.object({ version: v.unknown() }) }),
  v.object({ event: v.pipe(v.string(), v.maxLength(200)) }),
  v.object({ error: v.object({ class: v.string(), desc: v.string() }), id }),
  v.object({ return: v.unknown(), id }),
]);

/** Throws `hypervisor-failed` for a line that is no message of the protocol. */
export function parseQmpMessage(line: string): QmpMessage {
  const message = v.safeParse(shapes, parseJson(line));
  if (!message.success) throw nonsense(line);
  const found = message.output;
  if ("QMP" in found) return { kind: "greeting" };
  if ("event" in found) return { kind: "event", name: found.event };
  if ("error" in found) return { kind: "error", id: found.id, reason: found.error.desc.slice(0, 300) };
  return { kind: "result", id: found.id, value: found.return };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw nonsense(line);
  }
}

function nonsense(line: string): EmberError {
  const start = JSON.stringify(line.slice(0, 80));
  return new EmberError("hypervisor-failed", `the hypervisor's control socket gave no QMP message: ${start}`);
}
