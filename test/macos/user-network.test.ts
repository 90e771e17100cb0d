import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { networkProcesses, TestInstallation } from "../support/ember.ts";
import { writeBusyboxTar } from "../support/rootfs.ts";

// ember-net with ember-vz, whose frames are datagrams: guests on macOS's drivers, and the real network's process.
const ember = new TestInstallation();
const work = mkdtempSync(join(tmpdir(), "ember-vz-net-"));
let port: number;

beforeAll(async () => {
  writeBusyboxTar(join(work, "rootfs.tar"));
  await ember.ok(["init", "--network", "user"]);
  await ember.ok(["image", "import", join(work, "rootfs.tar"), "--name", "busybox"]);
  port = await freePort();
  await ember.ok([
    ...create("web"),
    "-p",
    `${port}:80`,
    // Each connection in a process of its own: one whose client is lost with the network's process never ends.
    ...["--", "nc", "-ll", "-p", "80", "-e", "echo", "hello"],
  ]);
  await ember.ok(create("db"));
}, 600_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  rmSync(work, { recursive: true, force: true });
});

const create = (name: string): string[] => ["vm", "create", name, "--image", "busybox", "--memory", "256M"];
const within = (vm: string, script: string): Promise<string> =>
  ember.ok(["exec", vm, "--", "sh", "-c", script]);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** What the published port says; "" when nothing. */
function said(): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1");
    socket.setTimeout(3000, () => socket.destroy());
    socket.on("data", (chunk) => {
      text += chunk.toString();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await Bun.sleep(200);
}

const reachesDb = async (): Promise<boolean> =>
  (await within("web", "ping -c 1 -W 3 db || true")).includes("1 packets received");

test("guests on ember-vz have the user network: an address, siblings by name, published ports", async () => {
  expect(await within("web", "ip -4 addr show dev eth0")).toContain("inet 10.100.0.3/29");
  expect(await within("web", "ip link show dev eth0")).toContain("mtu 1500");
  expect(await reachesDb()).toBe(true);
  await eventually(async () => (await said()) === "hello\n");
}, 120_000);

test("they go on when the network's process was killed and started anew", async () => {
  const [pid] = networkProcesses(ember.stateDir);
  if (pid !== undefined) process.kill(pid, "SIGKILL");
  await ember.ok(["reconcile"]);
  expect(networkProcesses(ember.stateDir)).toHaveLength(1);
  await eventually(reachesDb);
  await eventually(async () => (await said()) === "hello\n");
  expect(await ember.ok(["events", "--format", "json"])).toContain('"network.restarted"');
}, 120_000);

test("they power off when asked, and leave nothing of the network", async () => {
  await ember.ok(["vm", "stop", "web"]);
  await ember.ok(["vm", "delete", "--force", "web", "db"]);
  await eventually(async () => networkProcesses(ember.stateDir).length === 0);
}, 120_000);
