import { readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { identify, ownIdentity, type ProcessIdentity } from "../host/process-identity.ts";
import { randomHex, shortHash } from "../host/random.ts";

/**
 * Scratch files: what a command is making (`new`) or taking apart (`drop`) has a name that tells whose it is, so that
 * the next command can remove what a killed one left, and never what a living one still needs.
 */
export type ScratchKind = "new" | "drop";

const form = /^(?:.+\.)?(new|drop)-([0-9a-f]*)-([0-9]{1,10})-([0-9a-f]{12})-[0-9a-f]{8}\.tmp$/;

/** A pid is reused, so its start time and the boot go with it, hashed because their form is the platform's. */
function mark(owner: ProcessIdentity): string {
  return `${shortHash(owner.startTime)}${shortHash(owner.bootId)}`.slice(0, 12);
}

/** A fresh name for a scratch file about the disk `id`, owned by this process. */
export function scratchName(kind: ScratchKind, id: string): string {
  const self = ownIdentity();
  return `${kind}-${id}-${self.pid}-${mark(self)}-${randomHex(4)}.tmp`;
}

/** What kind of scratch file a name is of and whether its owner still runs; undefined for other files. */
export function readScratchName(name: string): { kind: ScratchKind; ownerAlive: boolean } | undefined {
  const parts = form.exec(name);
  if (parts === null) return undefined;
  const owner = identify(Number(parts[3]));
  return {
    kind: parts[1] === "new" ? "new" : "drop",
    ownerAlive: owner !== undefined && mark(owner) === parts[4],
  };
}

/** Removes the scratch files in `folder` whose owner is gone. Idempotent. */
export function sweepScratch(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (readScratchName(name)?.ownerAlive !== false) continue;
    rmSync(join(folder, name), { force: true });
  }
}

/** A scratch file beside `path`, for a file or folder that has no staging folder; found again by `sweepBeside`. */
export function scratchBeside(path: string): string {
  return `${path}.${scratchName("new", "")}`;
}

/** Removes what killed commands left of `scratchBeside(path)`. Idempotent. */
export function sweepBeside(path: string): void {
  const folder = join(path, "..");
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${basename(path)}.new-`) || readScratchName(name)?.ownerAlive !== false) continue;
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}
