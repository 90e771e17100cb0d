import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Ground, guest } from "./ground.ts";

/** How QEMU reaches it: as its own user network with these options, or by a stream socket on which one of both listens. */
export type Link =
  | { readonly kind: "user"; readonly options: string }
  | { readonly kind: "stream"; readonly path: string; readonly qemu: "listen" | "connect" };

/** QEMU's backend, whose id is net0. */
export function netdevOf(link: Link): string {
  if (link.kind === "user") return `user,id=net0,${link.options}`;
  const server = link.qemu === "listen" ? "on" : "off";
  return `stream,id=net0,server=${server},addr.type=unix,addr.path=${link.path}`;
}

/** A network that a guest of QEMU is connected to. */
export interface Uplink {
  readonly name: string;
  readonly link: Link;
  /** What the guest's interface takes. */
  readonly mtu: number;
  /** The process that carries it, besides QEMU. */
  readonly pid: number | undefined;
  /** Once QEMU runs. */
  readonly connect: () => Promise<void>;
}

/** What passt tells its own guests, and ember-net too: the most that an IPv4 packet holds, in whole words. */
const largestMtu = 65_520;

/** QEMU's own user network (libslirp), which takes 1500 bytes. */
export function slirp(): Uplink {
  const { subnet, gateway, resolver, address } = guest;
  return {
    name: "slirp",
    link: {
      kind: "user",
      options: `ipv6=off,net=${subnet},host=${gateway},dns=${resolver},dhcpstart=${address}`,
    },
    mtu: 1500,
    pid: undefined,
    connect: async () => undefined,
  };
}

/** Debian's passt, or undefined where it is not installed. */
export async function passt(ground: Ground, purpose: string): Promise<Uplink | undefined> {
  if (spawnSync("passt", ["--version"]).status !== 0) {
    console.log("passt is not compared: it is not installed (apt-get install passt)");
    return undefined;
  }
  const path = join(ground.folder, `passt-${purpose}`);
  const { pid } = ground.start(ground.host, [
    ...["passt", "--foreground", "--quiet", "--ipv4-only", "--no-map-gw", "--runas", "0", "--socket", path],
    ...["--address", guest.address, "--netmask", "29", "--gateway", guest.gateway],
  ]);
  await until(() => existsSync(path));
  return {
    name: "passt",
    link: { kind: "stream", path, qemu: "connect" },
    mtu: largestMtu,
    pid,
    connect: async () => undefined,
  };
}

const program = join(
  import.meta.dir,
  "../../dist/net",
  `ember-net-linux-${process.arch === "x64" ? "amd64" : "arm64"}`,
);

/** ember-net as it is built, by its command line and its control socket alone. */
export async function emberNet(ground: Ground, purpose: string): Promise<Uplink> {
  const control = join(ground.folder, `control-${purpose}`);
  const path = join(ground.folder, `link-${purpose}`);
  const command = [program, "serve", "--socket", control, "--installation", "0123abcd", "--idle", "600"];
  const { pid } = ground.start(ground.host, command);
  await until(() => existsSync(control));
  const vm = {
    id: "0123456789ab",
    name: "bench",
    ...{
      mac: guest.mac,
      address: guest.address,
      prefix: 29,
      gateway: guest.gateway,
      resolver: guest.resolver,
    },
    ...{ address6: "", gateway6: "", resolver6: "", mtu: largestMtu },
    link: { kind: "stream", path },
    agent: { path: join(ground.folder, `agent-${purpose}`) },
    ...{ connected: true, ports: [], policy: { default: "allow", rules: [] }, secrets: [], authority: null },
    flowRecord: join(ground.folder, `flows-${purpose}.json`),
  };
  return {
    name: "ember-net",
    link: { kind: "stream", path, qemu: "listen" },
    mtu: largestMtu,
    pid,
    connect: async () => {
      await until(() => existsSync(path));
      await ask(control, { op: "attach", vm });
    },
  };
}

async function ask(socket: string, request: unknown): Promise<void> {
  const connection = connect(socket);
  try {
    connection.write(`${JSON.stringify(request)}\n`);
    for await (const line of createInterface({ input: connection })) {
      const answer: { ok?: boolean } = JSON.parse(line);
      if (answer.ok !== true) throw new Error(`ember-net refused: ${line}`);
      return;
    }
    throw new Error("ember-net gave no answer");
  } finally {
    connection.destroy();
  }
}

export async function until(condition: () => boolean): Promise<void> {
  for (let attempt = 0; !condition(); attempt++) {
    if (attempt > 1000) throw new Error("it did not come about within ten seconds");
    await sleep(10);
  }
}
