import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { runToolNow } from "../../../host/run-sync.ts";
import { runtimes } from "./runtimes.ts";

/** In the folder in which a kernel is built: the container that belongs to it. */
const fileName = "container.json";

const schema = v.object({
  runtime: v.picklist(runtimes.map(({ name }) => name)),
  container: v.pipe(v.string(), v.regex(/^ember-kernel-[0-9a-f]{16}$/)),
});

/** Takes note of a container that is about to be made, so that `removeContainer` finds it. */
export function noteContainer(workplace: string, runtime: string, container: string): void {
  writeFileSync(join(workplace, fileName), JSON.stringify({ runtime, container }), { mode: 0o600 });
}

/** Half a minute: programs without a daemon unmount, and remove some gigabytes. */
const limitMs = 30_000;

/** Removes the container of a build whose command was killed. Idempotent. */
export function removeContainer(workplace: string): void {
  const noted = readNote(workplace);
  const runtime = runtimes.find(({ name }) => name === noted?.runtime);
  if (noted !== undefined && runtime !== undefined)
    runToolNow(runtime.name, runtime.remove(noted.container), limitMs);
}

function readNote(workplace: string): v.InferOutput<typeof schema> | undefined {
  try {
    const parsed = v.safeParse(schema, JSON.parse(readFileSync(join(workplace, fileName), "utf8")));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined; // built on the host, or killed while it wrote this
  }
}
