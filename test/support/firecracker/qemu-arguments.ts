import type { Body } from "./body-types.ts";
import { isBlockDevice } from "./drive-file.ts";
import type { Resources } from "./resources.ts";

/** What QEMU is started with, and the files that it inherits, the first as number 3. */
export interface QemuCommand {
  readonly args: readonly string[];
  readonly files: readonly number[];
}

/**
 * The machine on which the guest really runs: q35 under emulation, with the devices that Firecracker was told of, on
 * PCI and in its order. `monitor` is the abstract name of the control socket.
 */
export function qemuCommand(vm: Resources, monitor: string): QemuCommand {
  const memory = `${vm.machine["mem_size_mib"]}M`;
  const files: number[] = [];
  const inherit = (file: number): number => files.push(file) + 2;
  const { bootSource } = vm;
  const initrd = bootSource?.["initrd_path"];
  const args = [
    ...["-no-user-config", "-nodefaults", "-display", "none"],
    // Every end of the guest is an event, and QEMU waits: only some of them end Firecracker.
    ...["-no-reboot", "-no-shutdown"],
    ...["-machine", "q35,sata=off,smbus=off,vmport=off,memory-backend=ram"],
    ...["-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", `${vm.machine["vcpu_count"]}`],
    // Shared, for the vsock device.
    ...["-m", memory, "-object", `memory-backend-memfd,id=ram,size=${memory},share=on`],
    ...["-kernel", vm.jail.resolve(String(bootSource?.["kernel_image_path"]))],
    ...(typeof initrd === "string" ? ["-initrd", vm.jail.resolve(initrd)] : []),
    ...["-append", commandLine(vm)],
    ...["-chardev", `socket,id=qmp,path=${monitor},abstract=on,server=on,wait=off`],
    ...["-mon", "chardev=qmp,mode=control"],
    ...["-chardev", console(vm), "-serial", "chardev:console"],
    ...vm.drives.flatMap((drive, index) => driveArguments(vm, drive, index)),
    ...vm.networks.flatMap(({ config, tap }, index) => networkArguments(config, index, inherit(tap))),
    ...(vm.vsock === undefined ? [] : vsockArguments(inherit(vm.vsock.device.fd))),
    ...(vm.balloon === undefined ? [] : ["-device", balloonDevice(vm.balloon)]),
    ...(vm.entropy === undefined
      ? []
      : ["-object", "rng-builtin,id=rng0", "-device", "virtio-rng-pci,rng=rng0"]),
  ];
  return { args, files };
}

/** What makes an emulated boot faster, and takes nothing from the guest. */
const emulated = "cryptomgr.notests noreplace-smp";

/** As Firecracker completes it, but for what its own bus needs: here the devices sit on PCI. */
function commandLine(vm: Resources): string {
  const root = vm.drives.find((drive) => drive["is_root_device"] === true);
  const access = root?.["is_read_only"] === true ? "ro" : "rw";
  const partition = root?.["partuuid"];
  const device = typeof partition === "string" ? `PARTUUID=${partition}` : "/dev/vda";
  const given = vm.bootArguments.split(" ").filter((word) => word !== "pci=off");
  return [...given, ...(root === undefined ? [] : [`root=${device}`, access]), emulated].join(" ");
}

function console(vm: Resources): string {
  if (vm.serialPath === undefined) return "stdio,id=console,signal=off";
  return `file,id=console,append=on,path=${vm.jail.resolve(vm.serialPath).replaceAll(",", ",,")}`;
}

export const driveNode = (index: number): string => `disk${index}`;

function driveArguments(vm: Resources, drive: Body, index: number): string[] {
  const path = vm.jail.resolve(String(drive["path_on_host"]));
  const readOnly = drive["is_read_only"] === true;
  const node = {
    driver: "raw",
    "node-name": driveNode(index),
    "read-only": readOnly,
    cache: { "no-flush": drive["cache_type"] === "Unsafe" },
    file: {
      driver: isBlockDevice(path) ? "host_device" : "file",
      filename: path,
      locking: "off",
      "read-only": readOnly,
      cache: { "no-flush": drive["cache_type"] === "Unsafe" },
    },
  };
  const device = `virtio-blk-pci,drive=${driveNode(index)},id=blk${index},discard=off,write-zeroes=off`;
  return ["-blockdev", JSON.stringify(node), "-device", device];
}

function networkArguments(config: Body, index: number, file: number): string[] {
  const mac = config["guest_mac"] === null ? "" : `,mac=${config["guest_mac"]}`;
  return [
    ...["-netdev", `tap,id=net${index},fd=${file}`],
    ...["-device", `virtio-net-pci,netdev=net${index},romfile=${mac}`],
  ];
}

function vsockArguments(file: number): string[] {
  return [
    "-chardev",
    `socket,id=vsock,fd=${file}`,
    "-device",
    "vhost-user-vsock-pci,chardev=vsock,id=vsock0",
  ];
}

function balloonDevice(balloon: Body): string {
  return `virtio-balloon-pci,id=balloon,deflate-on-oom=${balloon["deflate_on_oom"] === true ? "on" : "off"}`;
}
