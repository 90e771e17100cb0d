import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerChannel } from "ssh2";
import { type FakeAgent, listenOnLoopback, startFakeAgent } from "../guest/testing/fake-agent.ts";
import { ownIdentity } from "../host/process-identity.ts";
import { Installation } from "../installation.ts";
import type { AgentEndpoint } from "../network/network.ts";
import { writeSetting } from "../state/settings.ts";
import {
  deleteVmRecord,
  findVm,
  insertVm,
  setVmHalted,
  setVmRunning,
  setVmStatus,
  type VmRecord,
} from "../state/vms.ts";
import { macFor } from "./addresses.ts";
import { siblingHosts, type Told, tellSiblings } from "./siblings.ts";

interface SetHosts {
  readonly revision: number;
  readonly offset: number;
  readonly more: boolean;
  readonly hosts: readonly { readonly name: string; readonly address: string }[];
}

// One agent answers for all VMs: what it is told is the same for each.
const cleanUps: (() => Promise<void> | void)[] = [];
let installation: Installation;
let agent: FakeAgent;
let verbose: string[];
/** Requests so far, and how each is answered; undefined: never. */
let asked: SetHosts[];
let answerTo: (request: SetHosts) => object | undefined;
let open: number;
let mostOpen: number;

beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), "ember-siblings-"));
  verbose = [];
  asked = [];
  open = 0;
  mostOpen = 0;
  answerTo = ({ more }) => ({ result: { applied: !more } });
  installation = new Installation(async () => [], {
    stateDir: folder,
    verbose: (line) => verbose.push(line),
  });
  writeSetting(installation.db, "installation-id", "0123abcd");
  writeSetting(installation.db, "network", "tap");
  writeSetting(installation.db, "subnet", "10.100.0.0/16");
  agent = await startFakeAgent({ onControl: serveControl });
  mkdirSync(join(folder, "ssh"));
  writeFileSync(join(folder, "ssh", "id_ed25519"), agent.target.clientPrivateKey, { mode: 0o600 });
  cleanUps.push(
    () => rmSync(folder, { recursive: true }),
    () => installation[Symbol.dispose](),
    () => agent.close(),
  );
});
afterEach(async () => {
  for (const step of cleanUps.splice(0).reverse()) await step();
});

function serveControl(stream: ServerChannel): void {
  open += 1;
  mostOpen = Math.max(mostOpen, open);
  let text = "";
  stream.on("error", () => undefined);
  stream.on("close", () => {
    open -= 1;
  });
  stream.on("data", (chunk: Buffer) => {
    const lines = (text + chunk.toString()).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const { id, method, params } = JSON.parse(line);
      if (method !== "set-hosts") throw new Error(`'${method}' was asked`);
      asked.push(params);
      const answer = answerTo(params);
      if (answer !== undefined) stream.write(`${JSON.stringify({ id, ...answer })}\n`);
    }
  });
}

let lastBlock = 0;
function addVm(name: string, changes: Partial<VmRecord> = {}): VmRecord {
  lastBlock += 8;
  const vm: VmRecord = {
    id: Buffer.from(name).toString("hex").padEnd(12, "0"),
    name,
    visible: true,
    status: "created",
    imageId: "00",
    imageName: "image",
    cpus: 1,
    memoryBytes: 2 ** 28,
    diskBytes: 2 ** 33,
    kernel: "debian",
    bootArguments: "",
    networkMode: "default",
    mac: macFor(name),
    blockBase: 10 * 2 ** 24 + 100 * 2 ** 16 + lastBlock,
    blockPrefix: 29,
    ports: [],
    policy: { default: "allow", rules: [] },
    command: [],
    runCommand: true,
    onExit: "stay",
    environment: {},
    user: "nobody",
    authorizedKeys: [],
    userData: "",
    hostKey: "secret",
    hostPublicKey: agent.target.hostPublicKey,
    forkedFrom: null,
    createdAt: "2026-01-01T00:00:00.000Z",
    startedAt: null,
    lastError: null,
    runtime: null,
    ...changes,
  };
  insertVm(installation.db, vm);
  return vm;
}

function run(vm: VmRecord, endpoint: AgentEndpoint = agent.target.endpoint): VmRecord {
  setVmRunning(installation.db, vm.id, { process: ownIdentity(), accelerator: "tcg", agent: endpoint });
  return vm;
}

async function tell(signal?: AbortSignal): Promise<Told> {
  const { told, missed } = await tellSiblings(installation, { signal });
  return { told: told.toSorted(), missed };
}
const namesOf = (hosts: readonly { name: string }[] | undefined) => hosts?.map((host) => host.name);

test("a VM boots with the names of all others that have a network, itself left out", async () => {
  lastBlock = 0;
  const web = addVm("web");
  addVm("db");
  addVm("alone", { networkMode: "none" });
  addVm("unfinished", { visible: false });
  expect(await siblingHosts(installation, web)).toEqual([
    { name: "db.ember.internal", address: "10.100.0.18" },
  ]);
  const made = addVm("new", { visible: false });
  expect(namesOf(await siblingHosts(installation, made))).toEqual([
    "db.ember.internal",
    "web.ember.internal",
  ]);
  const alone = findVm(installation.db, Buffer.from("alone").toString("hex").padEnd(12, "0"));
  expect(alone && (await siblingHosts(installation, alone))).toEqual([]);
});

test("every running VM is told the whole list, those that do not run are not asked", async () => {
  run(addVm("a"));
  run(addVm("b"));
  addVm("stopped");
  const paused = run(addVm("paused"));
  setVmStatus(installation.db, paused.id, "paused");
  run(addVm("alone", { networkMode: "none" }));
  expect(await tell()).toEqual({ told: ["a", "b"], missed: [] });
  expect(asked.map((request) => namesOf(request.hosts))).toEqual(
    Array(2).fill(["a", "b", "paused", "stopped"].map((name) => `${name}.ember.internal`)),
  );
  expect(verbose).toEqual([]);
});

test("nobody is told where guests ask a resolver", async () => {
  writeSetting(installation.db, "network", "user");
  run(addVm("a"));
  expect(await tellSiblings(installation)).toEqual({ told: [], missed: [] });
  expect(asked).toEqual([]);
});

test("who has the list already is left alone, until it changes", async () => {
  run(addVm("a"));
  await tell();
  expect((await tell()).told).toEqual([]);
  expect(asked).toHaveLength(1);
  const late = addVm("late");
  expect((await tell()).told).toEqual(["a"]);
  deleteVmRecord(installation.db, late.id);
  expect((await tell()).told).toEqual(["a"]);
  expect(asked.map((request) => request.hosts.length)).toEqual([1, 2, 1]);
  const revisions = asked.map((request) => request.revision);
  expect(revisions).toEqual([...new Set(revisions)].sort((x, y) => x - y));
});

test("a VM that has booted with the list is not told it again", async () => {
  const a = addVm("a", { visible: false });
  await siblingHosts(installation, a);
  run(a);
  installation.db.run("UPDATE vms SET visible = 1");
  expect((await tell()).told).toEqual([]);
  addVm("b");
  expect((await tell()).told).toEqual(["a"]);
  setVmHalted(installation.db, a.id, "stopped");
  addVm("c");
  await siblingHosts(installation, a);
  run(a);
  expect((await tell()).told).toEqual([]);
});

test("a VM whose agent is gone keeps no other from being told, and is told the next time", async () => {
  const gone = run(addVm("gone"), { kind: "tcp", host: "127.0.0.1", port: await closedPort() });
  run(addVm("here"));
  expect(await tell()).toEqual({ told: ["here"], missed: ["gone"] });
  expect(verbose).toHaveLength(1);
  expect(verbose[0]).toStartWith("VM 'gone' was not told of the other VMs: the agent at 127.0.0.1:");
  run(gone);
  expect(await tell()).toEqual({ told: ["gone"], missed: [] });
});

test("a VM that accepts a connection and says nothing is given up soon, while others are told", async () => {
  const port = await listenWith(() => undefined);
  run(addVm("mute"), { kind: "tcp", host: "127.0.0.1", port });
  run(addVm("ok"));
  expect(await tell()).toEqual({ told: ["ok"], missed: ["mute"] });
}, 20_000);

test("agents that never answer are given up soon enough for others to be told", async () => {
  for (let n = 0; n < 16; n++) run(addVm(`deaf-${n}`));
  run(addVm("ok"));
  answerTo = () => (asked.length <= 16 ? undefined : { result: { applied: true } });
  const { told, missed } = await tell();
  expect(told).toEqual(["ok"]);
  expect(missed).toHaveLength(16);
  expect(verbose[0]).toContain("it did not answer in time");
}, 20_000);

test("with very many that do not answer, the command goes on without having told all", async () => {
  for (let n = 0; n < 32; n++) run(addVm(`deaf-${n}`));
  run(addVm("ok"));
  answerTo = () => (asked.length <= 32 ? undefined : { result: { applied: true } });
  const { told, missed } = await tell();
  expect(told).toEqual([]);
  expect(missed).toHaveLength(33);
  expect(verbose.join("\n")).toContain("VM 'ok' was not told of the other VMs: the time");
}, 20_000);

test("an agent that does not know the request, or answers nonsense, is a line for --verbose", async () => {
  run(addVm("a"));
  answerTo = () => ({ error: { code: "unknown-method", message: 'unknown method "set-hosts"' } });
  expect((await tell()).missed).toEqual(["a"]);
  answerTo = () => ({ result: { applied: "yes" } });
  expect((await tell()).missed).toEqual(["a"]);
  expect(verbose).toHaveLength(2);
  expect(verbose[0]).toContain("unknown-method");
});

test("a VM that holds a later list does not count as having this one", async () => {
  run(addVm("a"));
  answerTo = () => ({ result: { applied: false } });
  expect(await tell()).toEqual({ told: [], missed: [] });
  answerTo = () => ({ result: { applied: true } });
  expect((await tell()).told).toEqual(["a"]);
});

test("a VM that boots with a later list while others are told is left alone", async () => {
  const late = addVm("late");
  const port = await listenWith(async (socket) => {
    await siblingHosts(installation, late);
    const onward = connect(agent.port, "127.0.0.1");
    socket.pipe(onward).pipe(socket);
    onward.on("error", () => socket.destroy());
  });
  run(late, { kind: "tcp", host: "127.0.0.1", port });
  run(addVm("a"));
  expect(await tell()).toEqual({ told: ["a"], missed: [] });
  expect(asked).toHaveLength(1);
});

test("an interrupted command does not wait, and does not fail", async () => {
  run(addVm("a"));
  expect(await tell(AbortSignal.abort())).toEqual({ told: [], missed: ["a"] });
  expect(asked).toEqual([]);
});

test("a state that cannot be read does not fail the command either", async () => {
  run(addVm("a"));
  installation.db.run("DELETE FROM settings WHERE key = 'network'");
  expect(await tell()).toEqual({ told: [], missed: [] });
  expect(verbose[0]).toContain("not been initialised");
});

test("fifty VMs are told, sixteen at once", async () => {
  for (let n = 0; n < 50; n++) run(addVm(`vm-${n}`));
  expect((await tell()).told).toHaveLength(50);
  expect(asked).toHaveLength(50);
  expect(mostOpen).toBeLessThanOrEqual(16);
  expect(mostOpen).toBeGreaterThan(1);
}, 60_000);

test("a list of a full subnet comes in requests of the size that an agent takes", async () => {
  installation.db.transaction(() => {
    for (let n = 0; n < 8000; n++) addVm(`${"x".repeat(58)}${n}`);
  });
  run(addVm("a"));
  expect((await tell()).told).toEqual(["a"]);
  expect(asked.map(({ offset, more, hosts }) => [offset, more, hosts.length])).toEqual([
    [0, true, 3000],
    [3000, true, 3000],
    [6000, false, 2001],
  ]);
  for (const request of asked) expect(JSON.stringify(request).length).toBeLessThan(2 ** 20 - 100);
}, 60_000);

test("what VMs were told is forgotten with them", async () => {
  const a = run(addVm("a"));
  run(addVm("b"));
  await tell();
  expect(rememberedCount()).toBe(2);
  deleteVmRecord(installation.db, a.id);
  await tell();
  expect(rememberedCount()).toBe(1);
});

function rememberedCount(): number {
  return installation.db.all("SELECT 1 FROM host_facts WHERE key GLOB 'siblings-told:*'").length;
}

/** Port of a server of this test's own, gone with its connections at the end. */
async function listenWith(onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    onSocket(socket);
  });
  cleanUps.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return await listenOnLoopback(server);
}

async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listenOnLoopback(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
