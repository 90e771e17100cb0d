import { EmberError } from "../errors/ember-error.ts";
import { run } from "./run.ts";

const limitMs = 30_000;

/** Loads rules in one transaction: all of them, or none. Throws `tool-missing`, `permission-denied`, `tool-failed`. */
export async function loadRules(rules: string): Promise<void> {
  try {
    await run("nft", ["-f", "-"], { input: rules, timeoutMs: limitMs });
  } catch (error) {
    if (error instanceof EmberError && /operation not permitted/i.test(error.message)) {
      throw new EmberError("permission-denied", "the firewall may not be changed by this user", {
        hint: "run ember as root, or use the network driver 'user'",
        cause: error,
      });
    }
    throw error;
  }
}

/**
 * Objects of nft's JSON output (libnftables-json(5)), each as a record of its kind. Sets come without their elements when
 * `terse`. Nothing when what was asked for is not there. Words after a ";" are a further command, of the same process.
 */
export async function listObjects(
  what: readonly string[],
  options: { readonly terse?: boolean } = {},
): Promise<readonly NftObject[]> {
  const flags = options.terse === true ? ["-j", "-a", "-t"] : ["-j", "-a"];
  const { status, stdout } = await run("nft", [...flags, "list", ...what], {
    okStatuses: [0, 1],
    timeoutMs: limitMs,
  });
  if (status !== 0 || stdout.trim() === "") return [];
  return stdout.trim().split("\n").flatMap(objectsOf);
}

function objectsOf(document: string): NftObject[] {
  const parsed: unknown = JSON.parse(document);
  const objects = fieldsOf(parsed)["nftables"];
  if (!Array.isArray(objects)) return [];
  return objects.flatMap((object: unknown) =>
    Object.entries(fieldsOf(object)).map(([kind, value]) => ({ kind, fields: fieldsOf(value) })),
  );
}

export interface NftObject {
  /** "table", "chain", "rule", "set", "map", ... */
  readonly kind: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
