import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeApi } from "../../../test/support/firecracker/double.ts";
import type { VmSpec } from "../hypervisor.ts";
import { FirecrackerApi } from "./api.ts";
import { configure } from "./configure.ts";
import { losesVsockOnPause, parseVersion } from "./version.ts";

let folder: string;
let server: Server;
let seen: { method: string; path: string; body: unknown }[];
let answer: { status: number; body: string };
let api: FirecrackerApi;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "fc-api-"));
  seen = [];
  answer = { status: 204, body: "" };
  server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on("end", () => {
      const body: unknown = text === "" ? undefined : JSON.parse(text);
      seen.push({ method: request.method ?? "", path: request.url ?? "", body });
      response.writeHead(answer.status, { "content-length": answer.body.length }).end(answer.body);
    });
  });
  const path = join(folder, "api.sock");
  await new Promise<void>((resolve) => server.listen(path, resolve));
  api = new FirecrackerApi(path);
});

afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const spec: VmSpec = {
  vmId: "00aa11bb22cc",
  folder: "/vm",
  runtimeFolder: "/run",
  accelerator: "kvm",
  cpus: 2,
  memoryBytes: 512 * 2 ** 20,
  kernelPath: "/kernel",
  initrdPath: "/initrd",
  bootArguments: "quiet",
  drives: [{ path: "/disk", format: "raw", readOnly: true }],
  nic: { kind: "tap", mac: "52:54:00:aa:bb:cc", device: "e0123aa11bb22cc" },
  consoleLog: "console.log",
};

test("every request that describes a machine, and its answer, is as the official description says", async () => {
  await configure(api, spec);
  const description = describeApi();
  for (const { method, path, body } of seen)
    expect([path, description.checkExchange(method, path, body, 204, undefined)]).toEqual([path, []]);
  const paths = seen.map(({ path }) => path);
  expect(paths.at(-1)).toBe("/actions");
  expect(paths.sort()).toEqual([
    ...["/actions", "/balloon", "/boot-source", "/drives/disk0", "/entropy", "/machine-config"],
    ...["/metrics", "/network-interfaces/eth0", "/vsock"],
  ]);
});

test("so is every other", async () => {
  await api.setState("Paused");
  await api.setState("Resumed");
  await api.act("FlushMetrics");
  await api.act("SendCtrlAltDel");
  await api.refreshDrive("disk0", "disk0");
  await api.setLogger("log");
  await api.createSnapshot("state", "memory");
  await api.loadSnapshot("state", "memory");
  const description = describeApi();
  for (const { method, path, body } of seen)
    expect([path, description.checkExchange(method, path, body, 204, undefined)]).toEqual([path, []]);
});

test("paths are relative, disks are flushed, and the guest ends by rebooting", async () => {
  await configure(api, spec);
  const bodies = JSON.stringify(seen.map(({ body }) => body));
  for (const absolute of ["/vm", "/kernel", "/initrd", "/disk"]) expect(bodies).not.toContain(`"${absolute}`);
  expect(bodies).toContain('"cache_type":"Writeback"');
  expect(bodies).toContain("reboot=k panic=-1 quiet");
});

describe("an answer that", () => {
  const cases: readonly (readonly [string, number, string, string, RegExp])[] = [
    [
      "names a fault",
      400,
      '{"fault_message":"No such\\n thing"}',
      "hypervisor-failed",
      /PUT \/entropy': No such thing/,
    ],
    ["blames the kernel", 400, '{"fault_message":"Kernel Loader: bad"}', "kernel-invalid", /cannot boot/],
    ["blames KVM", 400, '{"fault_message":"Cannot open /dev/kvm"}', "host-unsupported", /hardware/],
    ["is no JSON", 400, "<html>", "hypervisor-failed", /not answer.*status 400/],
    ["has a status of its own", 302, "", "hypervisor-failed", /status 302/],
    ["says that it is done when it should tell", 200, "{}", "hypervisor-failed", /status 200/],
    ["has no end", 400, "x".repeat(2 ** 21), "hypervisor-failed", /no end/],
  ];
  for (const [what, status, body, code, message] of cases) {
    test(`${what} is an error of ember's`, async () => {
      answer = { status, body };
      const error = await api.addEntropy().catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    });
  }

  test("lacks what was asked for is an error too", async () => {
    answer = { status: 200, body: '{"state":"Melted"}' };
    await expect(api.state()).rejects.toThrow("Melted");
    answer = { status: 200, body: "[]" };
    await expect(api.version()).rejects.toThrow("lacks 'firecracker_version'");
  });
});

test("nobody at the socket is an error, and so is one who hangs up", async () => {
  await expect(new FirecrackerApi(join(folder, "none")).state()).rejects.toMatchObject({
    code: "hypervisor-failed",
  });
  server.removeAllListeners("request");
  server.on("request", (request) => request.socket.destroy());
  await expect(api.state()).rejects.toMatchObject({ code: "hypervisor-failed" });
});

test("versions are read from the first line, and known faults by them", () => {
  expect(parseVersion("Firecracker v1.15.1\n\n2026-01-01 [anonymous-instance:main] exiting\n")).toBe(
    "1.15.1",
  );
  expect(parseVersion("something else v1.2.3")).toBeUndefined();
  expect(["1.15.1", "1.16.0", "1.16.1", "1.16.2", "1.17.0"].map(losesVsockOnPause)).toEqual([
    ...[false, true, true, false, false],
  ]);
});
