import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Attachment, VmNetwork } from "../../../src/network/network.ts";
import { type RemoteNetwork, startDriver, type TestInstallation } from "./driver-client.ts";
import { Namespace, type Started } from "./netns.ts";
import { listen, plugIn, type Wire } from "./wire.ts";

export const addresses = {
  wan: "192.0.2.1",
  outside: "192.0.2.2",
  /** Further addresses out there. */
  near: "203.0.113.10",
  far: "198.51.100.10",
  resolver: "198.51.100.53",
  bridge: "172.17.0.1",
  container: "172.17.0.2",
};

export const installationA: TestInstallation = {
  installationId: "a1b2c3d4",
  subnet: "10.100.0.0/16",
  outsideInterface: undefined,
};
export const installationB: TestInstallation = {
  installationId: "b0b1b2b3",
  subnet: "10.101.0.0/16",
  outsideInterface: undefined,
};

/** A VM of A (subnet 10.100) or B (10.101), the number-th. */
export function testVm(
  installation: TestInstallation,
  number: number,
  changes: Partial<VmNetwork> = {},
): VmNetwork {
  const [a, b] = installation.subnet.split(".");
  return {
    vmId: `${number.toString(16).padStart(10, "0")}ff`,
    name: `vm-${number}`,
    mode: "default",
    mac: `52:54:00:00:00:0${number}`,
    block: `${a}.${b}.0.${number * 4}/30`,
    ports: [],
    policy: { default: "allow", rules: [] },
    secrets: [],
    authority: null,
    ...changes,
  };
}

export interface Guest {
  readonly space: Namespace;
  readonly attachment: Attachment;
  readonly address: string;
  /** The host's end. */
  readonly tapAddress: string;
  readonly device: string;
  readonly cable: Started;
}

/** A host with an outside, a bridge with a container, and drivers that run in it. */
export class Lab implements AsyncDisposable {
  readonly wire: Wire;
  readonly host: Namespace;
  readonly outside: Namespace;
  readonly container: Namespace;
  /** What has been asked over UDP out there. */
  heardOutside: string[] = [];
  #driver: ((installation: TestInstallation) => RemoteNetwork) | undefined;
  readonly #guests: Namespace[] = [];

  private constructor(wire: Wire) {
    this.wire = wire;
    this.host = new Namespace("host");
    this.outside = new Namespace("outside");
    this.container = new Namespace("container");
  }

  /** `arrange` is what the host has of its own before the first VM: rules, settings. */
  static async open(
    wire: Wire,
    arrange: (lab: Lab) => void = () => undefined,
    covered: Readonly<Record<string, string>> = {},
  ): Promise<Lab> {
    const lab = new Lab(wire);
    try {
      lab.#cable();
      arrange(lab);
      lab.heardOutside = await listen(wire, lab.outside, "outside");
      await listen(wire, lab.host, "host");
      await listen(wire, lab.container, "container");
      lab.#driver = await startDriver(lab.host, { ...lab.#resolverFiles(), ...covered });
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The host's resolvers: a stub on its loopback, one on itself, one that guests can reach. */
  #resolverFiles(): Record<string, string> {
    const file = join(this.wire.folder, "resolv.conf");
    const servers = ["127.0.0.53", addresses.wan, addresses.resolver];
    writeFileSync(file, servers.map((address) => `nameserver ${address}\n`).join(""));
    const paths = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"].filter((path) => existsSync(path));
    return Object.fromEntries(paths.map((path) => [path, file]));
  }

  #cable(): void {
    const { host, outside, container } = this;
    host.ip(
      `link add wan0 type veth peer name eth0 netns ${outside.name}`,
      `address add ${addresses.wan}/24 dev wan0`,
      "link set wan0 up",
      `link add docker0 type bridge`,
      `address add ${addresses.bridge}/16 dev docker0`,
      "link set docker0 up",
      `link add veth0 type veth peer name eth0 netns ${container.name}`,
      "link set veth0 master docker0 up",
      `route add default via ${addresses.outside}`,
    );
    // The outside knows the way to the guests, so that only rules keep it from them.
    outside.ip(
      `address add ${addresses.outside}/24 dev eth0`,
      "link set eth0 up",
      ...[addresses.near, addresses.far, addresses.resolver].map(
        (address) => `address add ${address}/32 dev lo`,
      ),
      ...["10.100.0.0/15", "172.17.0.0/16"].map((network) => `route add ${network} via ${addresses.wan}`),
    );
    container.ip(
      `address add ${addresses.container}/16 dev eth0`,
      "link set eth0 up",
      `route add default via ${addresses.bridge}`,
    );
  }

  network(installation: TestInstallation): RemoteNetwork {
    if (this.#driver === undefined) throw new Error("the lab is not open");
    return this.#driver(installation);
  }

  /** Attaches a VM and makes a namespace its guest, which answers with `name`. */
  async start(installation: TestInstallation, name: string, vm: VmNetwork): Promise<Guest> {
    const attachment = await this.network(installation).attach(vm);
    const space = new Namespace(name);
    this.#guests.push(space);
    return await this.plug(name, space, attachment);
  }

  async plug(name: string, space: Namespace, attachment: Attachment): Promise<Guest> {
    const { nic, guest } = attachment;
    if (nic.kind !== "tap") throw new Error("not a TAP");
    const cable = await plugIn(this.wire, this.host, nic.device, space);
    const [address = ""] = guest.address.split("/");
    const tapAddress = address.replace(/\d+$/, (last) => String(Number(last) - 1));
    space.ip(
      `address add ${guest.address} dev eth0`,
      "link set eth0 up",
      // Also of one that is to have no way out: it must not help it that it takes one.
      `route add default via ${guest.gateway ?? tapAddress}`,
    );
    await listen(this.wire, space, name);
    return { space, attachment, address, tapAddress, device: nic.device, cable };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const space of [...this.#guests, this.container, this.outside, this.host]) {
      await space[Symbol.asyncDispose]();
    }
  }
}
