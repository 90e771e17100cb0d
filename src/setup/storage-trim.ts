import type { Installation } from "../installation.ts";
import type { TaskOptions, TrimReport } from "../types.ts";
import { trimVms } from "../vm/trim.ts";

/** Discards what running guests freed, then gives back what the storage itself has free. */
export async function trimStorage(
  installation: Installation,
  names: readonly string[] = [],
  options: TaskOptions = {},
): Promise<readonly TrimReport[]> {
  const reports = await trimVms(installation, names, options);
  await (await installation.storage()).trim?.();
  return reports;
}
