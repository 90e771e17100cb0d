import { readFileSync, rmSync } from "node:fs";
import * as v from "valibot";
import { EmberError, errnoCode } from "../../errors/ember-error.ts";
import type { NetworkFlow, NetworkStatus } from "../../types.ts";
import type { UserContext } from "./context.ts";
import { NetworkGone } from "./control.ts";
import { flowRecord } from "./place.ts";
import { findNetwork } from "./process.ts";
import { done, flowFile, flows, status } from "./protocol.ts";

/** See `Network.flows`: of an attached VM ember-net knows more than is written. */
export async function readFlows(context: UserContext, vmId: string): Promise<readonly NetworkFlow[]> {
  try {
    using network = await findNetwork(context);
    if (network !== undefined) {
      const { vms } = await network.control.ask({ op: "status" }, status);
      if (vms.some((vm) => vm.id === vmId)) {
        return (await network.control.ask({ op: "flows", id: vmId }, flows)).flows;
      }
    }
  } catch (error) {
    if (!(error instanceof NetworkGone)) throw error;
  }
  return readRecord(flowRecord(context, vmId));
}

/** See `Network.status`. */
export async function readStatus(context: UserContext): Promise<Omit<NetworkStatus, "driver">> {
  try {
    using network = await findNetwork(context);
    if (network === undefined) return { process: null, vms: [] };
    const { pid, version, startedAt } = network.hello;
    const { vms } = await network.control.ask({ op: "status" }, status);
    return { process: { pid, version, startedAt }, vms };
  } catch (error) {
    if (error instanceof NetworkGone) return { process: null, vms: [] };
    throw error;
  }
}

/** See `Network.forgetFlows`. */
export async function removeFlows(context: UserContext, vmId: string): Promise<void> {
  try {
    using network = await findNetwork(context);
    await network?.control.ask({ op: "forget", id: vmId }, done);
  } catch (error) {
    const unknown =
      error instanceof NetworkGone || (error instanceof EmberError && error.code === "network-failed");
    if (!unknown) throw error;
  }
  rmSync(flowRecord(context, vmId), { force: true });
}

function readRecord(path: string): readonly NetworkFlow[] {
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return [];
    throw error;
  }
  const parsed = v.safeParse(flowFile, JSON.parse(content));
  if (parsed.success) return parsed.output.flows;
  throw new EmberError("io-failed", `'${path}' is not a record of a VM's connections`, {
    hint: "remove that file: the record then begins anew",
  });
}
