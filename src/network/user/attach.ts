import { existsSync, rmSync } from "node:fs";
import { EmberError } from "../../errors/ember-error.ts";
import type { Attachment, PublishedPort, VmNetwork } from "../network.ts";
import type { UserContext } from "./context.ts";
import { NetworkGone } from "./control.ts";
import { controlSocket, programFolder, removeFiles } from "./paths.ts";
import { placeOf } from "./place.ts";
import { type Connected, configured, endNetwork, ensureNetwork, findNetwork } from "./process.ts";
import { done } from "./protocol.ts";

/** See `Network.attach`. */
export async function attach(context: UserContext, asked: VmNetwork): Promise<Attachment> {
  const { attachment, vm } = placeOf(context, asked);
  await withNetwork(context, async (network) => {
    await configured(context, network);
    await takingPorts(vm.ports, network.control.ask({ op: "attach", vm }, done));
  });
  return attachment;
}

/** See `Network.publish`. */
export async function publish(context: UserContext, asked: VmNetwork): Promise<void> {
  const { id, ports } = placeOf(context, asked).vm;
  await withNetwork(context, ({ control }) =>
    takingPorts(ports, control.ask({ op: "publish", id, ports }, done)),
  );
}

/** See `Network.applyPolicy`. */
export async function applyPolicy(context: UserContext, asked: VmNetwork): Promise<void> {
  const { id, policy, secrets, authority } = placeOf(context, asked).vm;
  await withNetwork(context, ({ control }) =>
    control.ask({ op: "policy", id, policy, secrets, authority }, done),
  );
}

/** A port that is taken is told of with its owner, as far as this user can see. */
async function takingPorts(ports: readonly PublishedPort[], asking: Promise<unknown>): Promise<void> {
  try {
    await asking;
  } catch (error) {
    if (!(error instanceof EmberError) || error.code !== "port-taken") throw error;
    const taken = ports.find(({ hostAddress, hostPort }) =>
      error.message.includes(`${hostAddress}:${hostPort}`),
    );
    if (taken === undefined) throw error;
    const { portTaken } = await import("../host-ports.ts");
    throw await portTaken(taken, error);
  }
}

/** It may end by itself, idle, just when it is asked: requests are such that they can be made again. */
const attempts = 3;

export async function withNetwork<T>(
  context: UserContext,
  body: (network: Connected) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      using network = await ensureNetwork(context);
      return await body(network);
    } catch (error) {
      if (!(error instanceof NetworkGone) || attempt === attempts) throw error;
    }
  }
}

/** See `Network.detach`. */
export async function detach(context: UserContext, vmId: string): Promise<void> {
  // Most often when there is no socket, there is no process: one that is not there has nothing attached.
  if (existsSync(controlSocket(context))) {
    try {
      using network = await findNetwork(context);
      await network?.control.ask({ op: "detach", id: vmId }, done);
    } catch (error) {
      if (!(error instanceof NetworkGone)) throw error;
    }
  }
  removeFiles(context, vmId);
}

/** See `Network.configure`. */
export async function reconfigure(context: UserContext): Promise<void> {
  using network = await findNetwork(context);
  const hostResolverPort = context.hostResolverPort();
  // Not the way out: that is for commands that start VMs to say.
  await network?.control.ask({ op: "configure", hostResolverPort, subnets: [context.subnet] }, done);
}

/** See `Network.close`. */
export async function close(context: UserContext): Promise<void> {
  await context.exclusively("ending the network", () => endNetwork(context));
  rmSync(programFolder(context), { recursive: true, force: true });
}
