import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostArchitecture } from "../../../src/guest/binary/architecture.ts";
import { guestBinary } from "../../../src/guest/binary/on-disk.ts";
import type { AgentTarget } from "../../../src/guest/channel.ts";
import { identityJson } from "../../../src/guest/identity.ts";
import { buildBaseInitrd } from "../../../src/guest/initrd/base.ts";
import { beginInitrd, finishInitrd } from "../../../src/guest/initrd/compose.ts";
import { makeKeyPair } from "../../../src/guest/keys.ts";
import { pullPreset } from "../../../src/kernel/presets.ts";
import type { Kernel } from "../../../src/kernel/record.ts";
import type { GuestNetwork } from "../../../src/network/network.ts";
import { sharedCache } from "../ember.ts";
import { writeBusyboxTar } from "../rootfs.ts";
import type { FirecrackerSession } from "./session.ts";

export const vmId = "abc123";
const agentPort = 1022;

/** Debian's kernel, a small disk and an initrd with ember's agent, which listens on vsock. */
export class DebianGuest implements Disposable {
  readonly folder: string;
  readonly disk: string;
  readonly #hostKey = makeKeyPair("host");
  readonly #clientKey = makeKeyPair("client");
  readonly #kernel: Kernel;

  private constructor(kernel: Kernel, folder: string) {
    this.#kernel = kernel;
    this.folder = folder;
    this.disk = join(folder, "disk.ext4");
  }

  static async make(): Promise<DebianGuest> {
    const folder = mkdtempSync(join(tmpdir(), "fc-guest-"));
    const places = { kernelsDir: join(folder, "kernels"), cacheDir: sharedCache };
    const guest = new DebianGuest(await pullPreset(places, "debian", {}), folder);
    guest.#makeDisk();
    return guest;
  }

  #makeDisk(): void {
    const tree = join(this.folder, "tree");
    const tar = join(this.folder, "root.tar");
    mkdirSync(tree);
    writeBusyboxTar(tar);
    spawnSync("tar", ["-xf", tar, "-C", tree]);
    const made = spawnSync("mke2fs", ["-q", "-t", "ext4", "-d", tree, this.disk, "64M"]);
    if (made.status !== 0) throw new Error(`mke2fs failed: ${made.stderr}`);
  }

  /** Configures the VM and starts it, its vsock at "v.sock" and its metrics in "metrics". */
  async boot(session: FirecrackerSession, network: GuestNetwork | null, tap?: string): Promise<void> {
    const initrd = await this.#makeInitrd(network);
    await session.ask("PUT", "/machine-config", { vcpu_count: 1, mem_size_mib: 256 });
    await session.ask("PUT", "/boot-source", {
      kernel_image_path: this.#kernel.bootPath,
      initrd_path: initrd,
      boot_args: "console=ttyS0 reboot=k panic=-1",
    });
    const drive = { drive_id: "rootfs", is_root_device: false, path_on_host: this.disk };
    await session.ask("PUT", "/drives/rootfs", drive);
    if (tap !== undefined) {
      const nic = { iface_id: "eth0", host_dev_name: tap, guest_mac: network?.mac };
      await session.ask("PUT", "/network-interfaces/eth0", nic);
    }
    await session.ask("PUT", "/vsock", { guest_cid: 3, uds_path: "v.sock" });
    await session.ask("PUT", "/entropy", {});
    const balloon = { amount_mib: 0, deflate_on_oom: true, stats_polling_interval_s: 1 };
    await session.ask("PUT", "/balloon", balloon);
    await session.ask("PUT", "/metrics", { metrics_path: "metrics" });
    await session.ask("PUT", "/actions", { action_type: "InstanceStart" });
  }

  async #makeInitrd(network: GuestNetwork | null): Promise<string> {
    const base = buildBaseInitrd({
      guestBinary: guestBinary(hostArchitecture()),
      archive: this.#kernel.archive,
      folder: join(this.folder, "initrd-base"),
    });
    const identity = identityJson({
      ...{ vmId, hostname: "double", bootTimeMs: Date.now(), network, hosts: [], sessionUser: "" },
      root: { device: "/dev/vda", fsType: "ext4", readOnly: false },
      agent: {
        listen: [`vsock:${agentPort}`],
        hostKey: this.#hostKey.privateKey,
        authorizedKeys: [this.#clientKey.publicKey],
      },
      process: {
        ...{ mode: "none", argv: [], explicit: false, env: [], user: "" },
        ...{ workdir: "", stopSignal: "SIGTERM", onExit: "stay" },
      },
      powerOff: "poweroff",
    });
    const target = join(this.folder, "initrd");
    await beginInitrd(base, target);
    await finishInitrd(target, identity);
    return target;
  }

  /** The agent of this guest in that session. */
  agent(session: FirecrackerSession): AgentTarget {
    return {
      endpoint: { kind: "vsock-uds", path: join(session.folder, "v.sock"), port: agentPort },
      hostPublicKey: this.#hostKey.publicKey,
      clientPrivateKey: this.#clientKey.privateKey,
      user: "root",
    };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
