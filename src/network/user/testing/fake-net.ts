// A program with ember-net's control protocol and nothing behind it but the published ports, which it takes. A file "fake" in
// its working folder makes it misbehave: "silent", "nonsense", "protocol 1", "ends at attach", "does not start"; with "slow links"
// machines are at their cables only when it was asked twice.
import { createSocket } from "node:dgram";
import { existsSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

interface Port {
  readonly protocol: "tcp" | "udp";
  readonly hostAddress: string;
  readonly hostPort: number;
}
interface Vm {
  readonly id: string;
  readonly name: string;
  readonly agent: { readonly path: string };
  readonly ports: readonly Port[];
}
interface Message {
  readonly op: string;
  readonly id?: string;
  readonly vm?: Vm;
  readonly ports?: readonly Port[];
}
interface Closable {
  close(): unknown;
}

const args = process.argv.slice(2);
const socket = args[args.indexOf("--socket") + 1] ?? "";
const mode = existsSync("fake") ? readFileSync("fake", "utf8") : "";
const startedAt = new Date().toISOString();
const vms = new Map<string, Vm>();
const taken = new Map<string, Closable[]>();

if (mode === "does not start") {
  writeSync(2, "fake-net: cannot start \u001b[31mtoday\n");
  process.exit(3);
}
if (existsSync(socket)) rmSync(socket);
const server = createServer(async (client) => {
  client.on("error", () => undefined);
  for await (const line of createInterface({ input: client })) {
    const message: Message = JSON.parse(line);
    writeFileSync("requests", `${line}\n`, { flag: "a", mode: 0o600 });
    if (mode === "silent") continue;
    if (mode === "ends at attach" && message.op === "attach") {
      rmSync("fake");
      process.exit(1);
    }
    client.write(mode === "nonsense" ? "nonsense\n" : `${JSON.stringify(await answer(message))}\n`);
  }
});
server.listen(socket);
process.on("SIGTERM", () => {
  rmSync(socket, { force: true });
  process.exit(0);
});

async function answer({ op, id = "", vm, ports = [] }: Message): Promise<object> {
  switch (op) {
    case "hello": {
      const protocol = mode === "protocol 1" ? 1 : 2;
      return { ok: true, protocol, version: "0.0.0-fake", pid: process.pid, startedAt };
    }
    case "attach": {
      if (vm === undefined) return failed("usage", "attach names no VM");
      const refusal = await take(vm.id, vm.ports);
      if (refusal === undefined) vms.set(vm.id, vm);
      return refusal ?? { ok: true };
    }
    case "publish":
      return (await take(id, ports)) ?? { ok: true };
    case "detach":
      await take(id, []);
      vms.delete(id);
      return { ok: true };
    case "status":
      return {
        ok: true,
        vms: [...vms.values()].map(({ id, name }) => ({ id, name, ...counters, linked: linked() })),
      };
    case "flows":
      return { ok: true, flows: [] };
    default:
      return { ok: true };
  }
}

const counters = {
  ...{ allowed: 0, refused: 0, spoofed: 0, connections: 0, receivedBytes: 0, sentBytes: 0 },
};

let asked = 0;
const linked = (): boolean => mode !== "slow links" || ++asked > 2;

function failed(code: string, message: string): object {
  return { error: { code, message } };
}

/** Gives the VM these ports in place of those that it has, or says why not. */
async function take(id: string, ports: readonly Port[]): Promise<object | undefined> {
  for (const port of taken.get(id) ?? []) await new Promise((resolve) => closing(port, resolve));
  taken.delete(id);
  const opened: Closable[] = [];
  for (const port of ports) {
    try {
      opened.push(port.protocol === "tcp" ? await listen(port) : await bind(port));
    } catch (error) {
      for (const other of opened) other.close();
      const code = error instanceof Error && "code" in error ? error.code : "";
      const name = `${port.hostAddress}:${port.hostPort}/${port.protocol}`;
      if (code === "EADDRNOTAVAIL")
        return failed("unsupported", `this host has no address '${port.hostAddress}'`);
      return failed("port-taken", `port ${name} is in use on this host`);
    }
  }
  taken.set(id, opened);
  return undefined;
}

function closing(port: Closable, done: (value: unknown) => void): void {
  port.close();
  setImmediate(done, undefined);
}

function listen({ hostAddress, hostPort }: Port): Promise<Closable> {
  return new Promise((resolve, reject) => {
    const listener = createServer();
    listener.once("error", reject);
    listener.listen({ host: hostAddress, port: hostPort, exclusive: true }, () => resolve(listener));
  });
}

function bind({ hostAddress, hostPort }: Port): Promise<Closable> {
  return new Promise((resolve, reject) => {
    const bound = createSocket("udp4");
    bound.once("error", (error) => {
      bound.close();
      reject(error);
    });
    bound.bind({ address: hostAddress, port: hostPort, exclusive: true }, () => resolve(bound));
  });
}
