import { describe, expect, test } from "bun:test";
import type { NicSpec, VmSpec } from "../hypervisor.ts";
import { type HostFacts, qemuArguments } from "./arguments.ts";
import { type Architecture, architectures } from "./machine.ts";

const spec: VmSpec = {
  vmId: "0123abcd",
  folder: "/state/vms/0123abcd",
  runtimeFolder: "/run/ember/x",
  accelerator: "tcg",
  cpus: 2,
  memoryBytes: 512 * 2 ** 20,
  kernelPath: "/state/kernels/vmlinux",
  initrdPath: "/state/vms/0123abcd/initrd",
  bootArguments: "",
  drives: [],
  nic: undefined,
  consoleLog: "console.log",
};

const nic: NicSpec = {
  kind: "socket",
  mac: "52:54:00:12:34:56",
  mtu: 65_520,
  path: "/run/ember/x/0123abcd.eth",
};

function host(changes: Partial<HostFacts> = {}, architecture: Architecture = "x64"): HostFacts {
  return { model: architectures[architecture].model("tcg"), sandbox: true, lockFiles: true, ...changes };
}

/** The values that follow each use of an option. */
function valuesOf(args: readonly string[], name: string): string[] {
  return args.flatMap((argument, index) => (argument === name ? [args[index + 1] ?? ""] : []));
}

describe("arguments for QEMU", () => {
  test("the VM's mark is one whole argument, by which its process is found", () => {
    expect(qemuArguments(spec, host())).toContain("ember-0123abcd");
  });

  test("memory is exact, whatever its size", () => {
    const args = qemuArguments({ ...spec, memoryBytes: 2 ** 29 + 2 ** 20 }, host());
    expect(valuesOf(args, "-m")).toEqual([`size=${2 ** 29 + 2 ** 20}B`]);
  });

  test("commas in paths cannot become options", () => {
    const runtimeFolder = "/run/a,server=off";
    const args = qemuArguments({ ...spec, runtimeFolder, consoleLog: "c,append=on" }, host());
    expect(valuesOf(args, "-chardev")).toEqual([
      "socket,id=monitor,path=/run/a,,server=off/0123abcd.qmp,server=on,wait=off",
      "file,id=console,path=c,,append=on",
    ]);
    const path = `/state/a, "b"\\c/disk`;
    const drive = qemuArguments({ ...spec, drives: [{ path, format: "qcow2", readOnly: false }] }, host());
    expect(JSON.parse(valuesOf(drive, "-blockdev")[0] ?? "")).toMatchObject({
      driver: "qcow2",
      file: { driver: "file", filename: path, locking: "on" },
    });
  });

  test("the user's kernel arguments come last, so that they win", () => {
    const [line] = valuesOf(
      qemuArguments({ ...spec, bootArguments: " console=tty9 quiet " }, host()),
      "-append",
    );
    expect(line).toStartWith("console=ttyS0 panic=-1 reboot=t ");
    expect(line).toEndWith(" console=tty9 quiet");
  });

  test("no machine turns the mitigations of processor faults off", () => {
    for (const accelerator of ["kvm", "hvf", "tcg"] as const) {
      for (const { model } of Object.values(architectures)) {
        expect(model(accelerator).kernelArguments.join(" ")).not.toContain("mitigations");
      }
    }
  });

  test("frames pass over a socket that QEMU listens at, whatever its path", () => {
    const path = "/run/a,server=off/0123abcd.eth";
    expect(valuesOf(qemuArguments({ ...spec, nic: { ...nic, path } }, host()), "-netdev")).toEqual([
      "stream,id=net0,server=on,addr.type=unix,addr.path=/run/a,,server=off/0123abcd.eth",
    ]);
  });

  test("memory-mapped disks are placed so that the guest finds them in order", () => {
    const drives = ["a", "b"].map((path) => ({ path, format: "raw" as const, readOnly: false }));
    const model = architectures.x64.model("kvm");
    const devices = valuesOf(qemuArguments({ ...spec, drives, nic }, host({ model })), "-device");
    expect(devices).toEqual([
      "virtio-blk-device,drive=disk0,id=virtio-disk0,bus=virtio-mmio-bus.7",
      "virtio-blk-device,drive=disk1,id=virtio-disk1,bus=virtio-mmio-bus.6",
      "virtio-net-device,netdev=net0,mac=52:54:00:12:34:56,bus=virtio-mmio-bus.5",
      "virtio-rng-device,rng=rng0,bus=virtio-mmio-bus.4",
    ]);
  });

  test("more disks than the machine has places for are refused", () => {
    const drives = Array.from({ length: 8 }, () => ({ path: "d", format: "raw" as const, readOnly: true }));
    const model = architectures.x64.model("kvm");
    expect(() => qemuArguments({ ...spec, drives }, host({ model }))).toThrow("at most 8 devices");
  });

  test("what a host does not have is not asked for", () => {
    const drives = [{ path: "d", format: "raw" as const, readOnly: false }];
    const args = qemuArguments({ ...spec, drives }, host({ sandbox: false, lockFiles: false }, "arm64"));
    expect(args).not.toContain("-sandbox");
    expect(args.join(" ")).not.toContain("locking");
    expect(valuesOf(args, "-append")[0]).toStartWith("console=ttyAMA0 ");
  });
});
