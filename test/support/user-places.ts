import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { networkProcesses, type TestInstallation } from "./ember.ts";
import { addresses, buildProgram, heardInGuest, Places } from "./places.ts";

export interface NetStatus {
  readonly refused: number;
  readonly spoofed: number;
  readonly connections: number;
}

/** Places for the user network: the host has more addresses, and a name server whose answers change. */
export class UserPlaces extends Places {
  readonly rogue: string = join(this.work, "rogue");
  /** Further addresses of the host on its way outside. */
  readonly second = "192.0.2.11";
  readonly linkLocal = "169.254.7.7";
  /** Nobody's, at first. */
  readonly moving = "198.51.100.77";
  readonly #settings = join("/etc/netns", this.host.name);

  constructor() {
    super();
    buildProgram("rogue", this.rogue);
    const answers = join(this.work, "answers");
    buildProgram("answers", answers);
    const { host, outside } = this;
    host.ip("address", "add", `${this.second}/24`, "dev", "wan0");
    host.ip("address", "add", `${this.linkLocal}/16`, "dev", "wan0");
    host.run("sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647"); // as distributions have it
    // Where a cloud has its metadata: it answers whoever gets there.
    for (const address of ["169.254.169.254", "100.100.100.200", "192.0.0.192"]) {
      outside.ip("address", "add", `${address}/32`, "dev", "lo");
      host.ip("route", "add", address, "via", addresses.outside);
    }
    // `ip netns exec` puts it in place of /etc/resolv.conf.
    mkdirSync(this.#settings, { recursive: true });
    writeFileSync(join(this.#settings, "resolv.conf"), "nameserver 127.0.0.53\n");
    const { wan, bridge } = addresses;
    this.start(
      host,
      answers,
      "127.0.0.53:53",
      `outside.test=${addresses.outside}`,
      `host.test=${wan}`,
      `bridge.test=${bridge}`,
      "metadata.test=169.254.169.254",
      `rebind.test=${addresses.outside},${wan}`,
      `turn.test=${addresses.outside},${bridge},${wan}`,
    );
  }

  /** How many datagrams that `rogue pretend` sent came to the outside, and to a VM. */
  async forgedHeard(
    installation: TestInstallation,
    name: string,
  ): Promise<{ outside: number; sibling: number }> {
    const count = (text: string): number => text.match(/^heard "forged"$/gm)?.length ?? 0;
    const sibling = await installation.ok(["exec", name, "--", "cat", heardInGuest]);
    return { outside: count(readFileSync(this.heardOutside, "utf8")), sibling: count(sibling) };
  }

  async macOf(installation: TestInstallation, name: string): Promise<string> {
    return await installation.ok(["exec", name, "--", "cat", "/sys/class/net/eth0/address"]);
  }

  /** What the installation's ember-net has counted for a VM. */
  async status(installation: TestInstallation, name: string): Promise<NetStatus> {
    const { socket } = this.emberNet(installation);
    const connection = connect(socket);
    try {
      connection.write('{"op":"status"}\n');
      for await (const line of createInterface({ input: connection })) {
        const answer: { vms: (NetStatus & { name: string })[] } = JSON.parse(line);
        const found = answer.vms.find((vm) => vm.name === name);
        if (found !== undefined) return found;
        break;
      }
      throw new Error(`ember-net knows no VM '${name}'`);
    } finally {
      connection.destroy();
    }
  }

  /** The installation's network process. */
  emberNet(installation: TestInstallation): { pid: number; residentBytes: number; socket: string } {
    const [pid, ...more] = networkProcesses(installation.stateDir);
    if (pid === undefined || more.length > 0)
      throw new Error("the installation has no ember-net, or more than one");
    const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    const socket = args[args.indexOf("--socket") + 1] ?? "";
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
    return { pid, residentBytes: Number(kib) * 1024, socket };
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    rmSync(this.#settings, { recursive: true, force: true });
  }
}
