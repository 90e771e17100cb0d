import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProcesses } from "#platform";
import { randomHex } from "../../../host/random.ts";
import { Database } from "../../../state/database.ts";
import { acquireLease } from "../../../state/leases.ts";
import type { Network, NetworkContext } from "../../network.ts";
import { networkContext } from "../../testing/context.ts";
import { createUserNetwork } from "../driver.ts";

/** What the fake does besides what it should; see fake-net.ts. */
export type Misbehaviour =
  | "silent"
  | "nonsense"
  | "protocol 1"
  | "ends at attach"
  | "does not start"
  | "slow links";

/** An installation whose ember-net is a fake one, so that the driver's side can be tested alone. Its end ends that, too. */
export class FakeInstallation implements AsyncDisposable {
  readonly context: NetworkContext;
  readonly notices: string[] = [];
  readonly network: Network;
  readonly #folder: string;
  readonly #program: string;
  readonly #db: Database;

  constructor(environment: NetworkContext["environment"] = {}) {
    this.#folder = mkdtempSync(join(tmpdir(), "ember-un-"));
    this.#db = Database.open(join(this.#folder, "state"));
    const runtimeFolder = join(this.#folder, "run");
    mkdirSync(runtimeFolder, { mode: 0o700 });
    this.#program = join(this.#folder, "ember-net");
    const script = join(import.meta.dirname, "fake-net.ts");
    writeFileSync(this.#program, `#!/bin/sh\nexec '${process.execPath}' '${script}' "$@"\n`, { mode: 0o755 });
    this.context = networkContext({
      installationId: randomHex(4),
      stateFolder: join(this.#folder, "state"),
      runtimeFolder,
      vmFolder: (vmId) => join(this.#folder, "state", "vms", vmId),
      environment,
      exclusively: async (purpose, body) => {
        using _lease = await acquireLease(this.#db, ["network"], purpose);
        return await body();
      },
      notice: (line) => void this.notices.push(line),
    });
    this.network = createUserNetwork(this.context, () => ({ kind: "file", path: this.#program }));
  }

  /** The next process misbehaves so. */
  misbehave(how: Misbehaviour | "not at all"): void {
    const file = join(this.context.runtimeFolder, "fake");
    if (how === "not at all") rmSync(file, { force: true });
    else writeFileSync(file, how);
  }

  /** Pids of all its processes. */
  processes(): number[] {
    return findProcesses(this.context.installationId);
  }

  /** All that was asked so far, of any process. */
  requests(): { readonly op: string; readonly [field: string]: unknown }[] {
    const file = join(this.context.runtimeFolder, "requests");
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }

  /** As a crash or the host's want of memory does. */
  kill(): void {
    for (const pid of this.processes()) process.kill(pid, "SIGKILL");
    while (this.processes().length > 0) Bun.sleepSync(2);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    this.#db[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
