import * as v from "valibot";
import { installHint } from "#platform";
import { run } from "../../host/run.ts";
import { lookUpTool } from "../../host/tools.ts";
import type { HypervisorProbe } from "../hypervisor.ts";

const findings = v.object({
  checks: v.array(
    v.object({ name: v.string(), ok: v.boolean(), detail: v.string(), hint: v.optional(v.string()) }),
  ),
});

/** Asks `ember-vz doctor`. Never throws for a host that lacks something: it says so. */
export async function probeVz(): Promise<HypervisorProbe> {
  const binary = lookUpTool("ember-vz");
  if (binary === undefined) return unusable("'ember-vz' is not installed", installHint("ember-vz"));
  const fault = (reason: string): HypervisorProbe =>
    unusable(reason, "install ember again: its parts must be of one version");
  try {
    const { stdout } = await run("ember-vz", ["doctor"], { timeoutMs: 10_000 });
    const parsed = v.safeParse(findings, JSON.parse(stdout));
    if (!parsed.success) return fault("'ember-vz doctor' says nothing that is understood");
    const { checks } = parsed.output;
    const failed = checks.find(({ ok }) => !ok);
    if (failed !== undefined) return unusable(failed.detail, failed.hint ?? "see 'ember-vz doctor'");
    return {
      usable: true,
      binary,
      version: checks.find(({ name }) => name === "system")?.detail ?? "unknown",
    };
  } catch (error) {
    return fault(error instanceof Error ? error.message : String(error));
  }
}

function unusable(reason: string, hint: string): HypervisorProbe {
  return { usable: false, reason, hint, remarkable: true };
}
