import { existsSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { plainText } from "../hypervisor/plain-text.ts";
import type { Installation } from "../installation.ts";
import { getVm, type VmRecord } from "../state/vms.ts";
import { statusOf } from "./status.ts";

export interface LogOptions {
  /** Everything on the console, the kernel's messages included, instead of the VM's command's output alone. */
  readonly console?: boolean;
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

/** How ember-guest marks the lines that the VM's command printed. */
const commandPrefix = "ember-out: ";
const pollMs = 100;

/** The lines of the last boot, each with its line end; with `follow` until the VM has stopped or the signal aborts. */
export async function* vmLogs(
  installation: Installation,
  name: string,
  options: LogOptions = {},
): AsyncGenerator<string> {
  const vm = getVm(installation.db, name);
  const path = join(installation.paths.vmFolder(vm.id), "console.log");
  let offset = 0;
  for (;;) {
    const last = options.follow !== true || hasEnded(installation, vm);
    for await (const { line, end } of linesFrom(path, offset, last)) {
      offset = end;
      const shown = render(line, options.console === true);
      if (shown !== undefined) yield `${shown.trimEnd()}\n`;
    }
    if (last || options.signal?.aborted === true) return;
    await sleep(pollMs, undefined, { signal: options.signal }).catch(() => undefined); // the next turn returns
    if ((await sizeOf(path)) < offset) offset = 0; // it was started again
  }
}

function hasEnded(installation: Installation, vm: VmRecord): boolean {
  const status = statusOf(getVm(installation.db, vm.name));
  return status !== "running" && status !== "paused";
}

function render(line: string, wholeConsole: boolean): string | undefined {
  const clean = plainText(line);
  if (wholeConsole) return clean;
  const at = clean.indexOf(commandPrefix);
  return at === -1 ? undefined : clean.slice(at + commandPrefix.length);
}

const blockBytes = 256 * 1024;
/** A line longer than this is cut, so that a guest that prints no line ends cannot fill our memory. */
const longestLineBytes = 64 * 1024;

/** The lines from `offset` on, each with the offset behind it; a last line without its end only when `partial`. */
async function* linesFrom(
  path: string,
  offset: number,
  partial: boolean,
): AsyncGenerator<{ line: string; end: number }> {
  if (!existsSync(path)) return;
  await using file = await open(path, "r");
  const block = Buffer.alloc(blockBytes);
  let position = offset;
  for (;;) {
    const { bytesRead } = await file.read(block, 0, blockBytes, position);
    if (bytesRead === 0) return;
    let start = 0;
    while (start < bytesRead) {
      const newline = block.subarray(0, bytesRead).indexOf(10, start);
      const isLast = bytesRead < blockBytes;
      if (newline === -1 && isLast && !partial) return;
      if (newline === -1 && !isLast && bytesRead - start < longestLineBytes) break; // read on from its beginning
      const end = newline === -1 ? bytesRead : newline + 1;
      yield { line: block.toString("utf8", start, newline === -1 ? end : newline), end: position + end };
      start = end;
    }
    position += start;
  }
}

async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    (facts) => facts.size,
    () => 0,
  );
}
