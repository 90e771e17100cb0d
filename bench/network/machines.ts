import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeCpio } from "../../src/guest/initrd/cpio.ts";
import { NetworkNamespace } from "../../test/support/netns.ts";
import type { BenchInstallation } from "../installation.ts";
import { type Ground, guest, type Running } from "./ground.ts";
import { netdevOf, type Uplink, until } from "./uplinks.ts";

/** A guest that takes orders (guest/internal/traffic), and the QEMU that connects it to its network. */
export interface Machine {
  readonly uplink: Uplink;
  readonly orders: Running;
  readonly qemuPid: number;
  readonly remove: () => void;
}

export type MachineMaker = (ground: Ground, uplink: Uplink) => Promise<Machine>;

/** A real guest on ember's kernel, emulated: its own processor takes most of the time. */
export function emulatedGuest(bench: BenchInstallation): MachineMaker {
  return async (ground, uplink) => {
    const kernel = join(bench.stateDir, "kernels/debian");
    const initrd = join(ground.folder, `initrd-${uplink.name}`);
    writeFileSync(initrd, initrdOf(ground, uplink, readFileSync(join(kernel, "modules.cpio"))));
    const orders = ground.start(ground.host, [
      ...["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
      ...[
        "-machine",
        "q35,sata=off,smbus=off,vmport=off",
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max,la57=off",
      ],
      ...["-m", "512", "-kernel", join(kernel, "vmlinuz"), "-initrd", initrd],
      ...["-append", "console=ttyS0 panic=-1 reboot=t quiet cryptomgr.notests noreplace-smp"],
      ...["-serial", `file:${join(ground.folder, `console-${uplink.name}`)}`, "-serial", "stdio"],
      ...[
        "-netdev",
        netdevOf(uplink.link),
        "-device",
        `virtio-net-pci,netdev=net0,mac=${guest.mac},romfile=`,
      ],
    ]);
    await uplink.connect();
    await orders.line(); // "ready"
    return { uplink, orders, qemuPid: orders.pid, remove: () => undefined };
  };
}

function initrdOf(ground: Ground, uplink: Uplink, modules: Buffer): Buffer {
  const { mac, address, gateway } = guest;
  const settings = {
    mac,
    address: `${address}/29`,
    gateway,
    resolvers: [],
    mtu: uplink.mtu,
    searchDomains: [],
  };
  const own = writeCpio([
    { type: "folder", path: "dev", mode: 0o755 },
    { type: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { type: "character-device", path: "dev/null", mode: 0o666, major: 1, minor: 3 },
    { type: "file", path: "init", mode: 0o755, content: readFileSync(ground.traffic) },
    { type: "file", path: "traffic.json", mode: 0o600, content: Buffer.from(JSON.stringify(settings)) },
  ]);
  return Buffer.concat([own, modules]);
}

/**
 * A guest as quick as this host, as one under hardware virtualisation would be: a network namespace behind a TAP. QEMU's
 * user network is connected to it by QEMU with no machine in it; the others by a program that does what QEMU's stream
 * backend does, because QEMU 7.2 mixes up the frames between that and another backend.
 */
export const nativeGuest: MachineMaker = async (ground, uplink) => {
  const device = `tap-${uplink.name}`.slice(0, 15);
  const space = new NetworkNamespace(`bench-${uplink.name}`);
  try {
    ground.host.ip("tuntap", "add", "dev", device, "mode", "tap");
    ground.host.ip("link", "set", device, "up");
    const carrier = ground.start(ground.host, carrierOf(ground, uplink, device));
    await until(() => !ground.host.ip("-br", "link", "show", "dev", device).includes("NO-CARRIER")); // it is open
    ground.host.ip("link", "set", device, "netns", space.name);
    space.ip("link", "set", device, "address", guest.mac, "mtu", String(uplink.mtu), "up");
    space.ip("address", "add", `${guest.address}/29`, "dev", device);
    space.ip("route", "add", "default", "via", guest.gateway);
    await uplink.connect();
    const orders = ground.start(space, [ground.traffic, "take"]);
    await orders.line(); // "ready"
    return { uplink, orders, qemuPid: carrier.pid, remove: () => space[Symbol.dispose]() };
  } catch (error) {
    space[Symbol.dispose]();
    throw error;
  }
};

function carrierOf(ground: Ground, { link }: Uplink, device: string): string[] {
  if (link.kind === "stream") return [ground.traffic, "wire", device, link.qemu, link.path];
  return [
    ...["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "none"],
    ...["-netdev", netdevOf(link), "-netdev"],
    `tap,id=tap0,ifname=${device},script=no,downscript=no,vnet_hdr=off`,
    ...["-netdev", "hubport,id=a,hubid=0,netdev=net0", "-netdev", "hubport,id=b,hubid=0,netdev=tap0"],
  ];
}
