import { EmberError } from "../../errors/ember-error.ts";
import type { ModuleInfo } from "./modinfo.ts";
import type { WantedModule } from "./wanted.ts";

export interface ModuleSource {
  /** Undefined when the kernel has no such module. */
  readonly read: (name: string) => Promise<ModuleInfo | undefined>;
  /** Names of what is compiled into the kernel. */
  readonly builtin: ReadonlySet<string>;
}

/**
 * Names of the modules to load, each after all that it depends on, in the order of `wanted` otherwise. What is built in
 * is left out. Throws `kernel-invalid` when a required module, or one that another depends on, is nowhere.
 */
export async function closeModules(
  wanted: readonly WantedModule[],
  source: ModuleSource,
): Promise<readonly string[]> {
  const order: string[] = [];
  const visit = async (name: string, neededBy: readonly string[], required: boolean): Promise<void> => {
    if (source.builtin.has(name) || order.includes(name)) return;
    if (neededBy.includes(name)) throw invalid(`its modules depend on each other: ${[...neededBy, name]}`);
    const info = await source.read(name);
    if (info === undefined) {
      if (!required) return;
      const why = neededBy.length === 0 ? "which guests need" : `which '${neededBy.at(-1)}' needs`;
      throw invalid(`it lacks the module '${name}', ${why}`);
    }
    for (const dependency of info.depends) await visit(dependency, [...neededBy, name], true);
    order.push(name);
  };
  for (const module of wanted) await visit(module.name, [], module.required);
  return order;
}

function invalid(detail: string): EmberError {
  return new EmberError("kernel-invalid", `the kernel cannot run guests: ${detail}`, {
    hint: "use the preset 'debian', or a kernel with virtio and ext4 built in",
  });
}
