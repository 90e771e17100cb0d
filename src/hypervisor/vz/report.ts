import * as v from "valibot";
import type { ErrorCode } from "../../errors/catalogue.ts";
import { EmberError } from "../../errors/ember-error.ts";

/** One line that ember-vz says: the state of the machine, or why something failed. */
export interface Report {
  readonly state?: string | undefined;
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly hint?: string | undefined;
}

const report: v.GenericSchema<unknown, Report> = v.object({
  state: v.optional(v.string()),
  code: v.optional(v.string()),
  message: v.optional(v.string()),
  hint: v.optional(v.string()),
});

/** Undefined for what is no such line. */
export function parseReport(line: string): Report | undefined {
  try {
    const parsed = v.safeParse(report, JSON.parse(line));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined; // no JSON
  }
}

/** ember-vz's codes (vz/Sources/EmberVZ/Failure.swift), as far as they are not `hypervisor-failed`. */
const codes: Readonly<Record<string, ErrorCode>> = {
  "kernel-invalid": "kernel-invalid",
  "limit-exceeded": "host-unsupported",
  "not-entitled": "host-unsupported",
  unsupported: "host-unsupported",
  "disk-full": "disk-full",
  "port-taken": "port-taken",
  busy: "wrong-state",
};

/** The error of a report that tells of a failure. */
export function failureOf(report: Report): EmberError {
  const code = codes[report.code ?? ""] ?? "hypervisor-failed";
  const message = report.message ?? "the hypervisor failed without a reason";
  return new EmberError(code, message, report.hint === undefined ? {} : { hint: report.hint });
}
