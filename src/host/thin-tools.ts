import { createInterface } from "node:readline";
import { EmberError } from "../errors/ember-error.ts";
import { run, runStreaming } from "./run.ts";

const limitMs = 3_600_000; // they read all of the metadata, up to 16 GiB of it

/**
 * Checks a pool's metadata, which no pool may be using. Where it is whole, the kernel's wish for a check is granted: the
 * pool takes changes again. Throws `io-failed` with what is wrong.
 */
export async function checkMetadata(device: string, file: string): Promise<void> {
  const { status, stdout, stderr } = await run("thin_check", ["--clear-needs-check-flag", device], {
    okStatuses: [0, 1],
    timeoutMs: limitMs,
  });
  if (status === 0) return;
  const said = `${stderr}\n${stdout}`
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("examining"));
  throw new EmberError("io-failed", `the thin pool's metadata in '${file}' is damaged: ${said.join("; ")}`, {
    hint: `keep a copy of it, then repair it into a new one: thin_repair -i '${file}' -o FILE`,
  });
}

/** What a thin device maps, in bytes. */
export interface ThinUsage {
  readonly mappedBytes: number;
  /** Part of it that no other device of the pool maps; undefined unless asked for, since it takes far longer. */
  readonly exclusiveBytes: number | undefined;
}

/** All thin devices by number, from the metadata snapshot that the caller holds. */
export async function listThins(
  device: string,
  options: { readonly exclusive: boolean },
): Promise<Map<number, ThinUsage>> {
  const fields = options.exclusive ? "DEV,MAPPED_BYTES,EXCLUSIVE_BYTES" : "DEV,MAPPED_BYTES";
  const { stdout } = await run("thin_ls", ["-m", "--no-headers", "-o", fields, device], {
    timeoutMs: limitMs,
  });
  return parseThins(stdout);
}

/** Lines of two or three numbers. */
export function parseThins(text: string): Map<number, ThinUsage> {
  const found = new Map<number, ThinUsage>();
  for (const line of text.split("\n")) {
    const [id, mappedBytes, exclusiveBytes] = line.trim().split(/\s+/).map(Number);
    if (id === undefined || mappedBytes === undefined) continue;
    found.set(id, { mappedBytes, exclusiveBytes });
  }
  return found;
}

/** Blocks of the pool that a thin device maps. */
export interface ThinMapping {
  readonly thinId: number;
  readonly block: number;
  readonly blocks: number;
}

/** Every mapping in the metadata snapshot that the caller holds, until `onMapping` says that it has enough. */
export async function readMappings(
  device: string,
  onMapping: (mapping: ThinMapping) => "go on" | "stop",
): Promise<void> {
  const { stdout, done } = runStreaming("thin_dump", ["-m", device], { timeoutMs: limitMs });
  let thinId = 0;
  for await (const line of createInterface({ input: stdout, crlfDelay: Number.POSITIVE_INFINITY })) {
    const device = /<device dev_id="(\d+)"/.exec(line)?.[1];
    if (device !== undefined) thinId = Number(device);
    const mapping = parseMapping(line);
    if (mapping !== undefined && onMapping({ thinId, ...mapping }) === "stop") {
      stdout.destroy();
      await done.catch(() => undefined); // it cannot write any more, and says so
      return;
    }
  }
  await done;
}

/** thin_dump(8) writes one mapping a line. */
export function parseMapping(line: string): { readonly block: number; readonly blocks: number } | undefined {
  const range = /<range_mapping [^>]*data_begin="(\d+)" length="(\d+)"/.exec(line);
  if (range !== null) return { block: Number(range[1]), blocks: Number(range[2]) };
  const single = /<single_mapping [^>]*data_block="(\d+)"/.exec(line);
  return single === null ? undefined : { block: Number(single[1]), blocks: 1 };
}
