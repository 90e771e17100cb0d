import { closeSync, openSync } from "node:fs";
import { codeOf, Refusal, systemErrorWords } from "./answers.ts";
import type { Body } from "./body-types.ts";
import type { Jail } from "./jail.ts";
import { openTap } from "./tap.ts";
import { startVsockDevice, type VsockDevice } from "./vsock-device.ts";

interface Network {
  readonly config: Body;
  /** Held from the request on, as Firecracker holds it. */
  readonly tap: number;
}

const defaultBootArguments =
  "reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd swiotlb=noforce";

/** What a VM is configured to be. Each change checks what Firecracker checks, and refuses in its words. */
export class Resources {
  readonly jail: Jail;
  machine: Body = {
    vcpu_count: 1,
    mem_size_mib: 128,
    smt: false,
    track_dirty_pages: false,
    huge_pages: "None",
  };
  bootSource: Body | undefined;
  /** The root drive first, then in order of arrival. */
  drives: Body[] = [];
  networks: Network[] = [];
  vsock: { readonly config: Body; readonly device: VsockDevice } | undefined;
  balloon: Body | undefined;
  entropy: Body | undefined;
  serialPath: string | undefined;

  constructor(jail: Jail) {
    this.jail = jail;
  }

  setMachine(update: Body): void {
    const merged = { ...this.machine };
    for (const [name, value] of Object.entries(update)) if (value !== null) merged[name] = value;
    if (merged["cpu_template"] === "None") delete merged["cpu_template"];
    const cpus = Number(merged["vcpu_count"]);
    const memory = Number(merged["mem_size_mib"]);
    if (cpus === 0 || cpus > 32 || (merged["smt"] === true && cpus > 1 && cpus % 2 === 1)) {
      throw new Refusal(
        "Machine config error: The number of vCPUs must be greater than 0, less than 32 and must be 1 or an even number if SMT is enabled.",
      );
    }
    if (memory === 0 || (merged["huge_pages"] === "2M" && memory % 2 !== 0)) {
      throw new Refusal(
        "Machine config error: The memory size (MiB) is either 0, or not a multiple of the configured page size.",
      );
    }
    if (this.balloon !== undefined && memory < Number(this.balloon["amount_mib"])) {
      throw new Refusal(
        "Machine config error: The memory size (MiB) is smaller than the previously set balloon device target size.",
      );
    }
    const { vcpu_count, mem_size_mib, smt, cpu_template, track_dirty_pages, huge_pages } = merged;
    const template = cpu_template === undefined ? {} : { cpu_template };
    this.machine = { vcpu_count, mem_size_mib, smt, ...template, track_dirty_pages, huge_pages };
  }

  setBootSource(body: Body): void {
    this.#check(
      body["kernel_image_path"],
      "r",
      (why) => `Boot source error: The kernel file cannot be opened: ${why}`,
    );
    if (body["initrd_path"] !== null) {
      const what = "The initrd file cannot be opened due to invalid path or invalid permissions.";
      this.#check(body["initrd_path"], "r", (why) => `Boot source error: ${what} ${why}`);
    }
    this.bootSource = body;
  }

  get bootArguments(): string {
    return String(this.bootSource?.["boot_args"] ?? defaultBootArguments);
  }

  setDrive(body: Body): void {
    const at = this.drives.findIndex((drive) => drive["drive_id"] === body["drive_id"]);
    const hasRoot = this.drives[0]?.["is_root_device"] === true;
    if (body["is_root_device"] === true && hasRoot && at !== 0) {
      throw new Refusal("Drive config error: A root block device already exists!");
    }
    const failed = "Drive config error: Unable to create the virtio block device:";
    if (body["path_on_host"] === null || body["socket"] !== null) {
      throw new Refusal(`${failed} Invalid block config.`);
    }
    this.checkDrive(body, body["path_on_host"], (why) => `${failed} Virtio backend error: ${why}`);
    const drive = {
      ...body,
      is_read_only: body["is_read_only"] ?? false,
      io_engine: body["io_engine"] ?? "Sync",
    };
    if (at === -1)
      this.drives = body["is_root_device"] === true ? [drive, ...this.drives] : [...this.drives, drive];
    else {
      const first = this.drives[0];
      this.drives[at] = drive;
      if (at > 0 && body["is_root_device"] === true && first !== undefined) {
        this.drives[at] = first;
        this.drives[0] = drive;
      }
    }
  }

  /** Throws unless the file of a drive opens as the drive needs it. */
  checkDrive(drive: Body, path: unknown, message: (why: string) => string): void {
    const flags = drive["is_read_only"] === true ? "r" : "r+";
    this.#check(path, flags, (why) => message(`Error manipulating the backing file: ${why} ${path}`));
  }

  #check(path: unknown, flags: string, message: (why: string) => string): void {
    try {
      closeSync(openSync(this.jail.resolve(String(path)), flags));
    } catch (error) {
      throw new Refusal(message(systemErrorWords(codeOf(error))));
    }
  }

  setNetwork(body: Body): void {
    const id = body["iface_id"];
    const mac = typeof body["guest_mac"] === "string" ? body["guest_mac"].toLowerCase() : null;
    const others = this.networks.filter(({ config }) => config["iface_id"] !== id);
    if (mac !== null && others.some(({ config }) => config["guest_mac"] === mac)) {
      throw new Refusal(`Network config error: The MAC address is already in use: ${mac}`);
    }
    for (const old of this.networks) if (!others.includes(old)) closeSync(old.tap);
    this.networks = others;
    const tap = openTap(this.jail.resolve("/dev/net/tun"), String(body["host_dev_name"]));
    this.networks.push({ config: { ...body, guest_mac: mac }, tap });
  }

  async setVsock(body: Body): Promise<void> {
    await this.vsock?.device.replace();
    this.vsock = undefined;
    const path = String(body["uds_path"]);
    const device = await startVsockDevice(this.jail.resolve(path), Number(body["guest_cid"]));
    this.vsock = { config: { guest_cid: body["guest_cid"], uds_path: path }, device };
  }

  setBalloon(body: Body): void {
    if (Number(body["amount_mib"]) > Number(this.machine["mem_size_mib"])) {
      throw new Refusal("Balloon config error: Amount of pages requested is too large.");
    }
    this.balloon = body;
  }

  /** The answer to GET /vm/config. */
  get config(): Body {
    return {
      balloon: this.balloon ?? null,
      drives: this.drives,
      "boot-source": this.bootSource ?? { kernel_image_path: "", initrd_path: null, boot_args: null },
      "cpu-config": null,
      logger: null,
      "machine-config": this.machine,
      metrics: null,
      "mmds-config": null,
      "network-interfaces": this.networks.map(({ config }) => config),
      vsock: this.vsock?.config ?? null,
      entropy: this.entropy ?? null,
      pmem: [],
      "memory-hotplug": null,
    };
  }
}
