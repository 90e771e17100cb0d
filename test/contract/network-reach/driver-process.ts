// A network driver in a process of its own, so that it can be run in a network namespace: a request on each line of
// standard input, its answer on standard output.
import { createInterface } from "node:readline";
import { EmberError } from "../../../src/errors/ember-error.ts";
import { setToolEnvironment } from "../../../src/host/tools.ts";
import type { Network } from "../../../src/network/network.ts";
import { createTapNetwork } from "../../../src/network/tap/driver.ts";
import { networkContext } from "../../../src/network/testing/context.ts";
import { createInspector } from "../../../src/network/user/inspector.ts";
import type { Request } from "./driver-client.ts";

setToolEnvironment({ PATH: process.env["PATH"] });
const say = (message: unknown): void => void process.stdout.write(`${JSON.stringify(message)}\n`);
say("ready");

for await (const line of createInterface({ input: process.stdin })) {
  const request: Request = JSON.parse(line);
  void serve(request);
}

async function serve(request: Request): Promise<void> {
  const { id, installation } = request;
  const notices: string[] = [];
  const context = networkContext({
    ...installation,
    outsideInterface: installation.outsideInterface,
    notice,
  });
  function notice(text: string): void {
    notices.push(text);
  }
  const began = performance.now();
  try {
    const value = await answer(
      createTapNetwork(context, async () => createInspector(context)),
      request,
    );
    say({ id, value, notices, ms: performance.now() - began });
  } catch (error) {
    const code = error instanceof EmberError ? error.code : "none";
    const message = error instanceof Error ? error.message : String(error);
    const hint = error instanceof EmberError ? error.hint : undefined;
    say({ id, error: { code, message, hint }, notices });
  }
}

async function answer(network: Network, request: Request): Promise<unknown> {
  switch (request.call) {
    case "attach":
      return await network.attach(request.vm);
    case "publish":
      return await network.publish?.(request.vm);
    case "applyPolicy":
      return await network.applyPolicy?.(request.vm);
    case "detach":
      return await network.detach(request.vmId);
    case "close":
      return await network.close();
    case "probe":
      return await network.probe();
    case "subnetClash":
      return await network.subnetClash?.(request.subnet);
  }
}
