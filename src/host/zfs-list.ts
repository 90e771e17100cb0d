import { type ZfsProblem, zfs } from "./zfs.ts";

/** A line of `zfs list`. Numbers are null where the kind of dataset has none. */
export interface ZfsRow {
  readonly name: string;
  readonly sizeBytes: number | null;
  readonly usedBytes: number | null;
  readonly availableBytes: number | null;
  /** Born since its origin and still referred to by its head, shared with its own snapshots or not. */
  readonly usedByDatasetBytes: number | null;
  readonly usedBySnapshotsBytes: number | null;
  readonly referencedBytes: number | null;
  readonly logicalBytes: number | null;
  /** Referred to, and born after the snapshot before it. */
  readonly writtenBytes: number | null;
  readonly createTxg: number;
  /** The snapshot that it was cloned from. */
  readonly origin: string | undefined;
  /** What was cloned from this snapshot. */
  readonly clones: readonly string[];
  /** A snapshot that goes with the last of its clones. */
  readonly deferred: boolean;
  readonly volmode: string | undefined;
  /** User properties, in the order asked for; "-" is undefined. */
  readonly properties: readonly (string | undefined)[];
}

const columns = [
  "name",
  "volsize",
  "used",
  "available",
  "usedbydataset",
  "usedbysnapshots",
  "referenced",
  "logicalreferenced",
  "written",
  "createtxg",
  "origin",
  "clones",
  "defer_destroy",
  "volmode",
] as const;

export interface ListOptions {
  /** What lies below the named datasets too, snapshots included. */
  readonly recursive?: boolean;
  readonly types?: "all" | "snapshot" | "volume,snapshot";
  /** User properties to read along. */
  readonly properties?: readonly string[];
}

/** Datasets, volumes and snapshots by name; those that do not exist are left out. */
export async function zfsList(
  pool: string,
  names: readonly string[],
  { recursive = false, types = "all", properties = [] }: ListOptions = {},
): Promise<ZfsRow[]> {
  const missing: readonly ZfsProblem[] = ["missing"];
  const fields = [...columns, ...properties].join(",");
  const args = ["list", "-H", "-p", "-t", types, "-o", fields, ...(recursive ? ["-r"] : []), ...names];
  return parseZfsList((await zfs(pool, args, missing)).stdout);
}

export function parseZfsList(stdout: string): ZfsRow[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) =>
      rowOf(line.split("\t").map((field) => (field === "-" || field === "" ? undefined : field))),
    );
}

function rowOf(fields: readonly (string | undefined)[]): ZfsRow {
  const text = (column: (typeof columns)[number]): string | undefined => fields[columns.indexOf(column)];
  const number = (column: (typeof columns)[number]): number | null => {
    const value = text(column);
    return value === undefined || !/^[0-9]+$/.test(value) ? null : Number(value);
  };
  return {
    name: text("name") ?? "",
    sizeBytes: number("volsize"),
    usedBytes: number("used"),
    availableBytes: number("available"),
    usedByDatasetBytes: number("usedbydataset"),
    usedBySnapshotsBytes: number("usedbysnapshots"),
    referencedBytes: number("referenced"),
    logicalBytes: number("logicalreferenced"),
    writtenBytes: number("written"),
    createTxg: number("createtxg") ?? 0,
    origin: text("origin"),
    clones: (text("clones") ?? "").split(",").filter((name) => name !== ""),
    deferred: text("defer_destroy") === "on",
    volmode: text("volmode"),
    properties: fields.slice(columns.length),
  };
}
