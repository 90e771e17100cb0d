import { afterAll, describe, expect, test } from "bun:test";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Workshop } from "../../../test/contract/hypervisor/workshop.ts";
import { hypervisorContract } from "../../../test/contract/hypervisor.ts";
import { firecrackerDouble, orderFaults } from "../../../test/support/firecracker/double.ts";
import { skipUnless } from "../../../test/support/require.ts";
import { setToolEnvironment } from "../../host/tools.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { createFirecracker } from "./driver.ts";

const tools = mkdtempSync(join(tmpdir(), "fc-tools-"));
const double = firecrackerDouble(tools);
const isRoot = process.getuid?.() === 0;
const usable = isRoot && double.available;
const skipped = skipUnless("firecracker-double", usable, double.reason ?? "the jailer needs root");
setToolEnvironment({ PATH: tools });
afterAll(() => rmSync(tools, { recursive: true, force: true }));

const notice = (): void => undefined;
const create = (jailer: boolean): Hypervisor =>
  createFirecracker({ installationId: "0123abcd", jailer, notice });

if (!skipped) {
  await hypervisorContract("firecracker, jailed", () => create(true));
  await hypervisorContract("firecracker without its jailer", () => create(false));
}

describe.skipIf(skipped)("the jail", () => {
  test("holds what the VM needs and nothing else, each file its user's", async () => {
    const hypervisor = create(true);
    await using workshop = new Workshop(hypervisor);
    const disk = workshop.disk();
    const before = statSync(disk);
    const spec = workshop.spec({ drives: [{ path: disk, format: "raw", readOnly: false }] });
    const machine = await hypervisor.start(spec);
    const root = join(spec.folder, "jail", "firecracker", `ember-${spec.vmId}`, "root");
    const uid = spec.userId ?? 0;
    expect(contents(root)).toEqual({
      "": `folder 700 ${uid}`,
      "api.sock": expect.stringContaining(`socket`),
      "boot-initrd": `file 400 ${uid}`,
      dev: expect.stringContaining("folder"),
      "dev/kvm": `device 600 ${uid}`,
      "dev/net": expect.stringContaining("folder"),
      "dev/net/tun": `device 600 ${uid}`,
      "dev/urandom": `device 600 ${uid}`,
      ...(names(root).includes("dev/userfaultfd") ? { "dev/userfaultfd": expect.anything() } : {}),
      disk0: `file 644 ${uid}`,
      firecracker: expect.stringContaining("file"),
      "firecracker.log": `file 600 ${uid}`,
      "firecracker.pid": expect.stringContaining("file"),
      kernel: "file 644 0",
      metrics: `file 600 ${uid}`,
      run: expect.stringContaining("folder"),
      "v.sock": expect.stringContaining("socket"),
    });
    expect(statSync(join(root, "disk0")).ino).toBe(before.ino); // a link: nothing was copied
    expect(statSync(spec.folder).mode & 0o077).toBe(statSync(spec.folder).mode & 0o077);
    await hypervisor.kill(machine);
    expect(statSync(disk)).toMatchObject({ uid: before.uid, gid: before.gid, mode: before.mode });
    expect(readdirSync(spec.folder).sort()).toEqual(["console.log"]);
  });

  test("is entered by the jailer with the VM's user, a process namespace and seccomp", async () => {
    const hypervisor = create(true);
    await using workshop = new Workshop(hypervisor);
    const spec = workshop.spec();
    const { process: started } = await hypervisor.start(spec);
    const status = readFileSync(`/proc/${started.pid}/status`, "utf8");
    for (const kind of ["Uid", "Gid"])
      expect(status).toMatch(new RegExp(`^${kind}:\\t${spec.userId}\\t${spec.userId}\\t${spec.userId}`, "m"));
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^NSpid:\t\d+\t\d+$/m);
    expect(readFileSync(`/proc/${started.pid}/cmdline`, "utf8")).not.toContain("--no-seccomp");
  });

  test("that a killed start left is cleared by the VM's id", async () => {
    const hypervisor = create(true);
    await using workshop = new Workshop(hypervisor);
    const disk = workshop.disk();
    const spec = workshop.spec({ drives: [{ path: disk, format: "raw", readOnly: false }] });
    const { process: started } = await hypervisor.start(spec);
    process.kill(started.pid, "SIGKILL");
    while ((await hypervisor.status({ ...spec, process: started })) !== "gone") await Bun.sleep(5);
    expect(statSync(disk).uid).toBe(spec.userId ?? -1);
    for (let round = 0; round < 2; round++)
      await hypervisor.clear?.(spec.vmId, spec.folder, spec.runtimeFolder);
    expect(statSync(disk).uid).toBe(0);
    expect(workshop.remains()).toEqual([]);
    expect(readdirSync(spec.folder)).toEqual(["console.log"]);
  });
});

function names(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" });
}

/** "kind mode uid" of everything below a folder, itself as "". */
function contents(root: string): Record<string, string> {
  const entries = ["", ...names(root)].map((name) => {
    const stat = lstatSync(join(root, name));
    const kind = stat.isDirectory()
      ? "folder"
      : stat.isSocket()
        ? "socket"
        : stat.isCharacterDevice()
          ? "device"
          : "file";
    return [name, `${kind} ${(stat.mode & 0o777).toString(8)} ${stat.uid}`] as const;
  });
  return Object.fromEntries(entries);
}

describe.skipIf(skipped)("Firecracker that fails", () => {
  const requests = [
    "PUT /metrics",
    "PUT /machine-config",
    "PUT /boot-source",
    "PUT /drives/",
    "PUT /vsock",
    "PUT /balloon",
    "PUT /entropy",
    "PUT /actions",
  ];
  for (const request of requests) {
    for (const fault of ["die", "400", "500", "malformed", "close"]) {
      test(`at ${request} (${fault}) leaves nothing, and the VM starts afterwards`, async () => {
        const hypervisor = create(true);
        await using workshop = new Workshop(hypervisor);
        const disk = workshop.disk();
        const spec = workshop.spec({ drives: [{ path: disk, format: "raw", readOnly: false }] });
        orderFaults(tools, { fault: `${request}: ${fault}` });
        try {
          await expect(hypervisor.start(spec)).rejects.toMatchObject({ code: "hypervisor-failed" });
        } finally {
          orderFaults(tools, {});
        }
        expect(workshop.remains()).toEqual([]);
        expect(readdirSync(spec.folder).filter((name) => name !== "console.log")).toEqual([]);
        expect(statSync(disk).uid).toBe(0);
      });
    }
  }

  test("late answers are waited for", async () => {
    const hypervisor = create(true);
    await using workshop = new Workshop(hypervisor);
    orderFaults(tools, { fault: "PUT /boot-source: late:1500" });
    try {
      const machine = await hypervisor.start(workshop.spec());
      expect(await hypervisor.status(machine)).toBe("running");
    } finally {
      orderFaults(tools, {});
    }
  });

  test("a version that loses its vsock with a pause is refused just that", async () => {
    const hypervisor = create(true);
    await using workshop = new Workshop(hypervisor);
    orderFaults(tools, { version: "1.16.1" });
    try {
      const machine = await hypervisor.start(workshop.spec());
      await expect(hypervisor.pause(machine)).rejects.toMatchObject({ code: "host-unsupported" });
      expect(await hypervisor.status(machine)).toBe("running");
      orderFaults(tools, { version: "1.9.1" });
      expect(await hypervisor.probe()).toMatchObject({
        usable: false,
        reason: expect.stringContaining("too old"),
      });
    } finally {
      orderFaults(tools, {});
    }
  });
});
