import { EmberError } from "../errors/ember-error.ts";
import { type Installation, newId } from "../installation.ts";
import { ensureKernel } from "../kernel/ensure.ts";
import { openPolicy } from "../policy/describe.ts";
import { getVm, type VmRecord } from "../state/vms.ts";
import type { ForkVmOptions, TaskOptions } from "../types.ts";
import { make, newIdentity, placeOnNetwork, refuseTaken } from "./create.ts";
import { startVm } from "./lifecycle.ts";
import { checkResources, diskSizeFor } from "./limits.ts";
import { checkVmName } from "./names.ts";
import type { NewVm } from "./operations/create.ts";
import { forkManyOperation } from "./operations/fork-many.ts";
import { choosePolicy, refuseSecrets, warnOfSecrets } from "./policy.ts";
import { newSecrets, readSecrets, type StoredSecrets, secretsOfFork } from "./secrets.ts";
import { tellSiblings } from "./siblings.ts";

const mostForks = 1000;

/**
 * Makes VMs whose disks begin as the source's is now: one, or with `count` that many of one moment. Each has keys, an
 * address and a MAC of its own. Returns the first.
 */
export async function forkVm(
  installation: Installation,
  sourceName: string,
  options: ForkVmOptions & TaskOptions,
): Promise<VmRecord> {
  const names = forkNames(options.name, options.count);
  const source = getVm(installation.db, sourceName);
  for (const name of names) refuseTaken(installation, name);
  const like = await forkOf(installation, source, options);
  const stored = secretsOf(installation, source, options);
  if (options.secrets !== undefined) warnOfSecrets(like.policy, stored?.secrets ?? [], installation.notice);
  const vms = names.map((name): NewVm => ({ ...like, ...newIdentity(name), name }));
  const [first] = vms;
  if (first === undefined) throw new EmberError("internal", "no fork was asked for");
  if (options.count === undefined) {
    const data = { sourceId: source.id, sourceName };
    const own = stored === undefined ? undefined : secretsOfFork(stored, first.name);
    return await make(installation, first, data, { ...options, stored: own }, [
      `vm:${first.name}`,
      `vm:${sourceName}`,
    ]);
  }
  await makeMany(installation, source, vms, stored, options);
  await tellSiblings(installation, options);
  if (options.start ?? true) await startAll(installation, names, options);
  return getVm(installation.db, first.name);
}

/** Throws `usage`, `invalid-name`. */
function forkNames(name: string, count: number | undefined): string[] {
  if (count === undefined) return [checkVmName(name)];
  if (!Number.isInteger(count) || count < 1 || count > mostForks) {
    throw new EmberError("usage", `${count} forks cannot be made at once`, {
      hint: `ask for 1 to ${mostForks}`,
    });
  }
  return Array.from({ length: count }, (_, index) => checkVmName(`${name}-${index + 1}`));
}

/** What all forks have in common. */
async function forkOf(
  installation: Installation,
  source: VmRecord,
  options: ForkVmOptions & TaskOptions,
): Promise<NewVm> {
  const sizes = { cpus: options.cpus ?? source.cpus, memoryBytes: options.memoryBytes ?? source.memoryBytes };
  checkResources(sizes, (await installation.hypervisor()).capabilities());
  const kernel =
    options.kernel === undefined ? source.kernel : await ensureKernel(installation, options.kernel, options);
  const network = options.network ?? (source.networkMode === "none" ? "none" : undefined);
  const place = await placeOnNetwork(installation, network);
  const mode = place.networkMode;
  const driver = await installation.network();
  const present = mode === "none" ? openPolicy : source.policy;
  const policy = choosePolicy(options, { mode, network: driver, present }, installation.notice);
  refuseSecrets(options.secrets ?? [], mode, driver);
  return {
    ...source,
    ...sizes,
    ...place,
    policy,
    diskBytes: diskSizeFor(options.diskBytes ?? source.diskBytes, source.diskBytes),
    kernel,
    ports: [], // the source has them
    forkedFrom: source.id,
  };
}

/** The source's, whose placeholders are on its disk; or those that the options give in their place. */
function secretsOf(
  installation: Installation,
  source: VmRecord,
  { secrets }: ForkVmOptions,
): StoredSecrets | undefined {
  const present = readSecrets(installation, source.id);
  return secrets === undefined ? present : newSecrets(source.name, secrets, present);
}

async function makeMany(
  installation: Installation,
  source: VmRecord,
  vms: readonly NewVm[],
  stored: StoredSecrets | undefined,
  options: ForkVmOptions & TaskOptions,
): Promise<void> {
  const subjects = vms.map((vm) => `vm:${vm.name}`);
  const data = {
    sourceId: source.id,
    sourceName: source.name,
    snapshotId: newId(),
    vmIds: vms.map((vm) => vm.id).join(","),
    fullCopy: options.fullCopy === true ? "yes" : "no",
  };
  const { signal } = options;
  await installation.holding(
    [`vm:${source.name}`, ...subjects],
    `ember vm fork ${source.name}`,
    async () => {
      const operation = forkManyOperation({ vms, stored }, options.onProgress);
      await installation.journal.execute(operation, subjects, installation, data, signal);
    },
    { signal },
  );
}

async function startAll(
  installation: Installation,
  names: readonly string[],
  options: TaskOptions,
): Promise<void> {
  for (const [index, name] of names.entries()) {
    options.onProgress?.({ step: `booting ${name}`, done: index, total: names.length, unit: "items" });
    await startVm(installation, name, options.signal === undefined ? {} : { signal: options.signal });
  }
}
