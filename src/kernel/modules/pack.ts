import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CpioEntry, writeCpio } from "../../guest/initrd/cpio.ts";
import { unpackBytes } from "../unpack-bytes.ts";
import { closeModules } from "./closure.ts";
import { moduleName, readModuleInfo } from "./modinfo.ts";
import { wantedModules } from "./wanted.ts";

const moduleLimitBytes = 256 * 1024 ** 2;

export interface StagedModules {
  /** Holds the kernel's modules as they came, compressed or not; nothing else ends in ".ko" or ".ko.*". */
  readonly folder: string;
  /** The kernel's own list of what is compiled into it; "" when it came without one. */
  readonly builtinList: string;
}

/**
 * The modules that a guest needs, and what they depend on, as the cpio archive that goes into the initrd; undefined when
 * everything is built in. They are stored as built (a signature at a module's end stays) and never compressed.
 * Throws `kernel-invalid`, `interrupted`.
 */
export async function packModules(staged: StagedModules, signal?: AbortSignal): Promise<Buffer | undefined> {
  const files = new Map(readdirSync(staged.folder).map((file) => [moduleName(file), file]));
  const contents = new Map<string, Buffer>();
  const order = await closeModules(wantedModules, {
    builtin: parseBuiltin(staged.builtinList),
    read: async (name) => {
      const file = files.get(name);
      if (file === undefined) return undefined;
      const bytes = await unpackBytes(await readFile(join(staged.folder, file)), moduleLimitBytes, signal);
      contents.set(name, bytes);
      return readModuleInfo(file, bytes);
    },
  });
  if (order.length === 0) return undefined;
  return writeCpio([...folders, loadList(order), ...moduleEntries(order, contents)]);
}

const folder = "lib/modules/ember";

const folders: readonly CpioEntry[] = ["lib", "lib/modules", folder].map((path) => ({
  type: "folder",
  path,
  mode: 0o755,
}));

function loadList(order: readonly string[]): CpioEntry {
  const content = Buffer.from(order.map((name) => `${name}.ko\n`).join(""));
  return { type: "file", path: `${folder}/modules.load`, mode: 0o644, content };
}

function moduleEntries(order: readonly string[], contents: ReadonlyMap<string, Buffer>): CpioEntry[] {
  return order.map((name) => ({
    type: "file",
    path: `${folder}/${name}.ko`,
    mode: 0o644,
    content: contents.get(name) ?? Buffer.alloc(0),
  }));
}

/** One path below the modules' folder per line: "kernel/fs/ext4/ext4.ko". */
function parseBuiltin(list: string): ReadonlySet<string> {
  const lines = list.split("\n").filter((line) => line.endsWith(".ko"));
  return new Set(lines.map((line) => moduleName(line.slice(line.lastIndexOf("/") + 1))));
}
