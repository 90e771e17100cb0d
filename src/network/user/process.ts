import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { EmberError } from "../../errors/ember-error.ts";
import { startDetached } from "../../host/detached.ts";
import { ensurePrivateFolder } from "../../host/files.ts";
import { endWith, findMarked } from "../../host/marked-process.ts";
import { readTail } from "../../hypervisor/file-parts.ts";
import { lastLines, plainText } from "../../hypervisor/plain-text.ts";
import type { UserContext } from "./context.ts";
import { type Control, NetworkGone, openControl } from "./control.ts";
import { controlSocket, logFile, programFolder } from "./paths.ts";
import { done, type Hello, hello, protocolVersion } from "./protocol.ts";
import { proxyOf } from "./proxy.ts";
import { programPath } from "./unpack.ts";

/** From the process's start until it answers. */
const startLimitMs = 20_000;
/** After SIGTERM; records are written then. */
const endLimitMs = 5_000;
const killLimitMs = 20_000;

/** ember-net as it runs, and a conversation with it. */
export interface Connected extends Disposable {
  readonly control: Control;
  readonly hello: Hello;
}

/** What runs now; undefined when nothing does. Throws `network-failed` for what does not answer, `permission-denied`. */
export async function findNetwork(context: UserContext): Promise<Connected | undefined> {
  let control: Control;
  try {
    control = await openControl(controlSocket(context));
  } catch (error) {
    if (error instanceof NetworkGone) return undefined;
    throw error;
  }
  try {
    const said = await control.ask({ op: "hello" }, hello);
    return { control, hello: said, [Symbol.dispose]: () => control[Symbol.dispose]() };
  } catch (error) {
    control[Symbol.dispose]();
    if (error instanceof NetworkGone) return undefined;
    throw error;
  }
}

/**
 * What runs now, started when nothing does: by one command at a time. One that speaks another version of the protocol, from
 * before an upgrade, makes way; its VMs are lost to it, until `revive`. Throws `network-failed`, `host-unsupported`,
 * `permission-denied`, `busy`.
 */
export async function ensureNetwork(context: UserContext): Promise<Connected> {
  const running = await findCurrent(context);
  if (running !== undefined) return running;
  return await context.exclusively("starting the network", async () => {
    const meanwhile = await findCurrent(context);
    if (meanwhile !== undefined) return meanwhile;
    await endNetwork(context);
    return await startNetwork(context);
  });
}

async function findCurrent(context: UserContext): Promise<Connected | undefined> {
  const found = await findNetwork(context);
  if (found === undefined || found.hello.protocol === protocolVersion) return found;
  found[Symbol.dispose]();
  return undefined;
}

async function startNetwork(context: UserContext): Promise<Connected> {
  const program = programPath(context.program(), programFolder(context));
  ensurePrivateFolder(context.runtimeFolder);
  const args = ["serve", "--socket", controlSocket(context), "--installation", context.installationId];
  const child = await startDetached(program, args, {
    cwd: context.runtimeFolder,
    logPath: logFile(context),
    // Nothing of the caller's: an environment can be read as long as the process runs, and proxies' addresses hold passwords.
    environment: { LC_ALL: "C" },
  });
  let ended: number | NodeJS.Signals | undefined;
  void child.ended.then((how) => {
    ended = how;
  });
  const deadline = performance.now() + startLimitMs;
  while (performance.now() < deadline) {
    const wasOver = ended;
    const found = await findNetwork(context);
    if (found !== undefined) return await configured(context, found);
    if (wasOver !== undefined) throw startFailure(context, `it ended at once (${wasOver})`);
    await sleep(4);
  }
  await endNetwork(context);
  throw startFailure(context, `it did not answer within ${startLimitMs / 1000} s`);
}

function startFailure(context: UserContext, why: string): EmberError {
  const log = readTail(logFile(context), 4096)?.toString("utf8") ?? "";
  const said = lastLines(plainText(log), 4).join("; ");
  return new EmberError(
    "network-failed",
    `the network's process did not start: ${said === "" ? why : said}`,
    {
      hint: "see 'ember doctor'",
    },
  );
}

/**
 * Tells it what the command's environment says of the way out, and the installation's settings. That the host's questions cannot
 * be answered keeps no VM from its network: it is a notice.
 */
export async function configured(context: UserContext, connected: Connected): Promise<Connected> {
  const { control } = connected;
  const proxy = proxyOf(context);
  const subnets = [context.subnet];
  const port = context.hostResolverPort();
  try {
    await control.ask({ op: "configure", proxy, hostResolverPort: port, subnets }, done);
  } catch (error) {
    if (port === 0 || !(error instanceof EmberError) || error.code !== "port-taken") throw error;
    context.notice(`${error.message}; see 'ember net resolver'`);
    await control.ask({ op: "configure", proxy, hostResolverPort: 0, subnets }, done);
  }
  return connected;
}

/** Post-condition: no ember-net of the installation is left, nor its socket and log. Throws `network-failed` when it stays. */
export async function endNetwork(context: UserContext): Promise<void> {
  const socket = controlSocket(context);
  for (;;) {
    const process = findMarked(context.installationId, socket);
    if (process === undefined) break;
    if (await endWith(process, "SIGTERM", endLimitMs)) continue;
    if (await endWith(process, "SIGKILL", killLimitMs)) continue;
    throw new EmberError("network-failed", `process ${process.pid} was killed but has not gone`, {
      hint: "the host's kernel holds it: look at its log, and restart the host if it stays",
    });
  }
  for (const path of [socket, `${socket}.lock`, logFile(context)]) rmSync(path, { force: true });
}
