import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NetworkContext } from "../network.ts";

/** An installation that a driver under test is told of; `changes` replace parts. Nothing of it is there. */
export function networkContext(changes: Partial<NetworkContext> = {}): NetworkContext {
  const stateFolder = join(tmpdir(), "ember-no-such-installation");
  return {
    installationId: "0000beef",
    subnet: "10.199.0.0/16",
    outsideInterface: undefined,
    stateFolder,
    runtimeFolder: join(stateFolder, "run"),
    vmFolder: (vmId) => join(stateFolder, "vms", vmId),
    environment: {},
    exclusively: (_purpose, body) => body(),
    hostResolverPort: () => 0,
    notice: () => undefined,
    ...changes,
  };
}
