import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EmberError } from "../../errors/ember-error.ts";
import { type CpioEntry, writeCpio } from "../../guest/initrd/cpio.ts";
import { type OtherRoot, otherRoots } from "../../types/root.ts";
import type { NewRootDriver } from "../roots.ts";
import { unpackBytes } from "../unpack-bytes.ts";
import { closeModules, type ModuleSource } from "./closure.ts";
import { type ModuleInfo, moduleName, readModuleInfo } from "./modinfo.ts";
import { rootModules, wantedModules } from "./wanted.ts";

const moduleLimitBytes = 256 * 1024 ** 2;

export interface StagedModules {
  /** Holds the kernel's modules as they came, compressed or not; nothing else ends in ".ko" or ".ko.*". */
  readonly folder: string;
  /** The kernel's own list of what is compiled into it; "" when it came without one. */
  readonly builtinList: string;
}

export interface PackedModules {
  /** For every guest; undefined when everything is built in. */
  readonly base: Buffer | undefined;
  /** The file systems besides ext4 that a root may lie on. */
  readonly roots: readonly NewRootDriver[];
}

/**
 * The modules that guests need, and what they depend on, as the cpio archives that go into the initrd. They are stored as
 * built (a signature at a module's end stays) and never compressed. A file system whose modules are not all there is left
 * out. Throws `kernel-invalid`, `interrupted`.
 */
export async function packModules(staged: StagedModules, signal?: AbortSignal): Promise<PackedModules> {
  const modules = new StagedFolder(staged.folder, signal);
  const builtin = parseBuiltin(staged.builtinList);
  const read = (name: string): Promise<ModuleInfo | undefined> => modules.read(name);
  const order = await closeModules(wantedModules, { builtin, read });
  const loaded = new Set([...builtin, ...order]);
  const roots: NewRootDriver[] = [];
  for (const fileSystem of otherRoots) {
    const extra = await closeRoot(fileSystem, { builtin: loaded, read });
    if (extra === undefined) continue;
    const archive = extra.length === 0 ? undefined : archiveOf("root.load", extra, modules);
    roots.push({ fileSystem, archive });
  }
  return { base: order.length === 0 ? undefined : archiveOf("modules.load", order, modules), roots };
}

/** What is loaded for a file system, after what every guest loads; undefined where the kernel cannot mount it. */
async function closeRoot(
  fileSystem: OtherRoot,
  source: ModuleSource,
): Promise<readonly string[] | undefined> {
  try {
    const order = await closeModules(rootModules[fileSystem], source);
    if (source.builtin.has(fileSystem)) return []; // and so is what it needs
    return order.includes(fileSystem) ? order : undefined;
  } catch (error) {
    // Guests with another root boot this kernel all the same.
    if (error instanceof EmberError && error.code === "kernel-invalid") return undefined;
    throw error;
  }
}

/** A folder of modules, each unpacked when it is first asked for. */
class StagedFolder {
  readonly #folder: string;
  readonly #signal: AbortSignal | undefined;
  readonly #files: ReadonlyMap<string, string>;
  readonly #contents = new Map<string, Buffer>();

  constructor(folder: string, signal: AbortSignal | undefined) {
    this.#folder = folder;
    this.#signal = signal;
    this.#files = new Map(readdirSync(folder).map((file) => [moduleName(file), file]));
  }

  async read(name: string): Promise<ModuleInfo | undefined> {
    const file = this.#files.get(name);
    if (file === undefined) return undefined;
    const stored = await readFile(join(this.#folder, file));
    const bytes = await unpackBytes(stored, moduleLimitBytes, this.#signal);
    this.#contents.set(name, bytes);
    return readModuleInfo(file, bytes);
  }

  content(name: string): Buffer {
    return this.#contents.get(name) ?? Buffer.alloc(0);
  }
}

const folder = "lib/modules/ember";

const folders: readonly CpioEntry[] = ["lib", "lib/modules", folder].map((path) => ({
  type: "folder",
  path,
  mode: 0o755,
}));

function archiveOf(list: string, order: readonly string[], modules: StagedFolder): Buffer {
  const lines = Buffer.from(order.map((name) => `${name}.ko\n`).join(""));
  const files: readonly CpioEntry[] = order.map((name) => fileOf(`${name}.ko`, modules.content(name)));
  return writeCpio([...folders, fileOf(list, lines), ...files]);
}

const fileOf = (name: string, content: Buffer): CpioEntry => ({
  type: "file",
  path: `${folder}/${name}`,
  mode: 0o644,
  content,
});

/** One path below the modules' folder per line: "kernel/fs/ext4/ext4.ko". */
function parseBuiltin(list: string): ReadonlySet<string> {
  const lines = list.split("\n").filter((line) => line.endsWith(".ko"));
  return new Set(lines.map((line) => moduleName(line.slice(line.lastIndexOf("/") + 1))));
}
