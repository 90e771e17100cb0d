import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmberError } from "../errors/ember-error.ts";
import { ownIdentity } from "../host/process-identity.ts";
import { Installation } from "../installation.ts";
import type { VmNetwork } from "../network/network.ts";
import { openPolicy } from "../policy/describe.ts";
import { getVm, insertVm, setVmRunning, type VmRecord } from "../state/vms.ts";
import type { PortMapping } from "../types.ts";
import { macFor } from "./addresses.ts";
import { publishVm, unpublishVm, updateVm } from "./lifecycle.ts";
import { readSecrets } from "./secrets.ts";

let folder: string;
let installation: Installation;
/** What the network was told last, by kind. */
let told: { ports?: VmNetwork; policy?: VmNetwork };
let failing: EmberError | undefined;
let breakAt: string | undefined;
const notices: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ember-change-"));
  told = {};
  failing = undefined;
  breakAt = undefined;
  notices.length = 0;
  const loadOperations = async () => (await import("../operations.ts")).operations;
  installation = new Installation(loadOperations, {
    stateDir: join(folder, "state"),
    notice: (line) => void notices.push(line),
    onStep: (kind, step, phase) => {
      if (`${kind}:${step}:${phase}` === breakAt) throw new EmberError("io-failed", "stopped here");
    },
  });
  use({ policies: "names", siblings: true });
});
afterEach(() => {
  installation[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** A network that remembers, in place of the host's. */
function use(capabilities: object, powers: readonly string[] = ["publish", "applyPolicy"]): void {
  const remember = (key: "ports" | "policy") => async (vm: VmNetwork) => {
    if (failing !== undefined) {
      const error = failing;
      failing = undefined;
      throw error;
    }
    told[key] = vm;
  };
  const all = { publish: remember("ports"), applyPolicy: remember("policy") };
  const chosen = Object.fromEntries(Object.entries(all).filter(([name]) => powers.includes(name)));
  Object.assign(installation, {
    network: async () => ({ name: "fake", capabilities, ...chosen }),
    hypervisor: async () => ({ capabilities: () => ({}) }),
  });
}

function addVm(name: string, changes: Partial<VmRecord> = {}): VmRecord {
  const id = Buffer.from(name).toString("hex").padEnd(12, "0");
  mkdirSync(installation.paths.vmFolder(id), { recursive: true });
  insertVm(installation.db, {
    ...{ id, name, visible: true, status: "created", imageId: "00", imageName: "image", cpus: 1 },
    ...{
      memoryBytes: 2 ** 28,
      diskBytes: 2 ** 33,
      kernel: "debian",
      bootArguments: "",
      networkMode: "default",
    },
    ...{ mac: macFor(name), blockBase: Number.parseInt(id.slice(0, 6), 16), blockPrefix: 29, ports: [] },
    ...{ policy: openPolicy, command: [], runCommand: true, onExit: "stay", environment: {}, user: "root" },
    ...{
      authorizedKeys: [],
      userData: "",
      hostKey: "k",
      hostPublicKey: "p",
      forkedFrom: null,
      createdAt: "2026-01-01T00:00:00Z",
    },
    ...{ startedAt: null, lastError: null, runtime: null },
    ...changes,
  });
  return getVm(installation.db, name);
}

function runs(vm: VmRecord): void {
  const agent = { kind: "tcp", host: "127.0.0.1", port: 1 } as const;
  setVmRunning(installation.db, vm.id, { process: ownIdentity(), accelerator: "tcg", agent });
}

const port = (hostPort: number): PortMapping => ({
  protocol: "tcp",
  hostAddress: "127.0.0.1",
  hostPort,
  guestPort: 80,
});
const steps = ["agree", "secrets", "record", "network"];

describe("publishing", () => {
  test("on a VM that runs is in the database and in the network", async () => {
    runs(addVm("web"));
    expect(await publishVm(installation, "web", [port(8080), port(8081)])).toHaveLength(2);
    expect(told.ports?.ports).toEqual(getVm(installation.db, "web").ports);
    expect(await publishVm(installation, "web", [port(8080)])).toHaveLength(2); // it has that already
    expect(await unpublishVm(installation, "web", [{ protocol: "tcp", hostPort: 8080 }])).toEqual([
      port(8081),
    ]);
    expect(told.ports?.ports).toEqual([port(8081)]);
  });

  test("on a stopped VM is in the database alone", async () => {
    addVm("web");
    await publishVm(installation, "web", [port(8080)]);
    expect(getVm(installation.db, "web").ports).toEqual([port(8080)]);
    expect(told).toEqual({});
  });

  test("that the network refuses changes nothing, and the network gets what was before", async () => {
    runs(addVm("web", { ports: [port(8080)] }));
    failing = new EmberError("port-taken", "port 9090 is taken by 'nginx' (pid 42)");
    await expect(publishVm(installation, "web", [port(9090)])).rejects.toThrow("taken by 'nginx'");
    expect(getVm(installation.db, "web").ports).toEqual([port(8080)]);
    expect(told.ports?.ports).toEqual([port(8080)]);
    expect(installation.db.all("SELECT * FROM operations")).toEqual([]);
  });

  test("that stops at any step leaves database and network the same", async () => {
    runs(addVm("web", { ports: [port(8080)] }));
    told = {};
    for (const step of steps) {
      for (const phase of ["before", "after"]) {
        breakAt = `vm.network:${step}:${phase}`;
        await expect(publishVm(installation, "web", [port(9090)])).rejects.toThrow("stopped here");
        expect(getVm(installation.db, "web").ports).toEqual([port(8080)]);
        expect(told.ports?.ports ?? [port(8080)]).toEqual([port(8080)]);
      }
    }
  });

  test("a port of another VM that runs is refused by that VM's name, one that is given twice by its number", async () => {
    runs(addVm("db", { ports: [port(8080)] }));
    addVm("web");
    await expect(publishVm(installation, "web", [port(8080)])).rejects.toMatchObject({
      code: "port-taken",
      message: expect.stringContaining("VM 'db'"),
      hint: expect.stringContaining("ember vm unpublish db 8080"),
    });
    const twice = [port(9090), { ...port(9090), guestPort: 81 }];
    await expect(publishVm(installation, "web", twice)).rejects.toThrow("published twice");
  });

  test("what is not published cannot be given back, and the hint names what is", async () => {
    addVm("web", { ports: [port(8080)] });
    await expect(
      unpublishVm(installation, "web", [{ protocol: "udp", hostPort: 8080 }]),
    ).rejects.toMatchObject({
      code: "usage",
      hint: "it publishes 127.0.0.1:8080/tcp",
    });
  });

  test("where a network's ports are fixed at the start the VM must be stopped first", async () => {
    use({ policies: "none" }, []);
    runs(addVm("web"));
    await expect(publishVm(installation, "web", [port(8080)])).rejects.toMatchObject({ code: "unsupported" });
  });
});

describe("a policy", () => {
  test("changes while the VM runs, as a whole", async () => {
    runs(addVm("web"));
    await updateVm(installation, "web", { allowHosts: ["A.example"], allowCidrs: ["10.0.0.0/8"] });
    expect(told.policy?.policy).toEqual(getVm(installation.db, "web").policy);
    await updateVm(installation, "web", { allowHosts: ["b.example"] });
    expect(told.policy?.policy.rules.map(({ text }) => text)).toEqual(["--allow-host b.example"]);
  });

  test("that refuses is not opened by a rule that refuses more", async () => {
    addVm("web");
    await updateVm(installation, "web", { egress: "none" });
    await expect(updateVm(installation, "web", { denyHosts: ["x.example"] })).rejects.toMatchObject({
      code: "usage",
      hint: expect.stringContaining("--egress all or --egress none"),
    });
    await updateVm(installation, "web", { egress: "all", denyHosts: ["x.example"] });
  });

  test("is warned about where rules do not mean what they look like", async () => {
    addVm("web");
    await updateVm(installation, "web", { allowCidrs: ["10.0.0.0/8", "10.1.0.0/16"] });
    expect(notices).toEqual([
      "'--allow-cidr 10.1.0.0/16' is inside '--allow-cidr 10.0.0.0/8', and adds nothing to it",
    ]);
  });

  test("that the network cannot hold is refused before anything is changed, with who can", async () => {
    addVm("web");
    for (const [policies, options] of [
      ["none", { allowCidrs: ["10.0.0.0/8"] }],
      ["networks", { allowHosts: ["a.example"] }],
    ] as const) {
      use({ policies });
      await expect(updateVm(installation, "web", options)).rejects.toMatchObject({
        code: "unsupported",
        hint: expect.stringContaining("--network user"),
      });
    }
    use({ policies: "networks" });
    await updateVm(installation, "web", { allowCidrs: ["10.0.0.0/8:53/udp"] });
    expect(getVm(installation.db, "web").policy.rules).toHaveLength(1);
  });

  test("has no meaning for a VM without a network", async () => {
    addVm("web", { networkMode: "none" });
    await expect(updateVm(installation, "web", { egress: "none" })).rejects.toMatchObject({ code: "usage" });
  });
});

describe("secrets", () => {
  const token = { name: "TOKEN", value: "hunter2", hosts: ["api.github.com"] };

  test("lie in a file of the VM's that only its owner can read, and nowhere in the database", async () => {
    const vm = addVm("web");
    await updateVm(installation, "web", { secrets: [token] });
    const path = join(installation.paths.vmFolder(vm.id), "secrets.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, "utf8")).toContain("hunter2");
    for (const name of readdirSync(installation.paths.stateDir).filter((file) => file.startsWith("ember.db")))
      expect(readFileSync(join(installation.paths.stateDir, name)).includes("hunter2")).toBe(false);
  });

  test("keep placeholder and authority when their value changes, and end with what they replace gone", async () => {
    const vm = addVm("web");
    runs(vm);
    await updateVm(installation, "web", { secrets: [token] });
    expect(notices.join()).toContain("trusts the authority for its secrets from its next start on");
    const first = readSecrets(installation, vm.id);
    await updateVm(installation, "web", { secrets: [{ ...token, value: "hunter3" }] });
    const second = readSecrets(installation, vm.id);
    expect(second?.authority).toEqual(first?.authority as never);
    expect(second?.secrets[0]?.placeholder).toBe(first?.secrets[0]?.placeholder as never);
    expect(told.policy?.secrets).toEqual(second?.secrets as never);
    expect(readdirSync(installation.paths.vmFolder(vm.id))).toEqual(["secrets.json"]);
    await updateVm(installation, "web", { secrets: [] });
    expect(readdirSync(installation.paths.vmFolder(vm.id))).toEqual([]);
    expect(told.policy).toMatchObject({ secrets: [], authority: null });
  });

  test("of a change that stops at any step are those from before", async () => {
    const vm = addVm("web");
    runs(vm);
    for (const had of [false, true]) {
      if (had) await updateVm(installation, "web", { secrets: [token] });
      for (const step of steps) {
        for (const phase of ["before", "after"]) {
          breakAt = `vm.network:${step}:${phase}`;
          const change = updateVm(installation, "web", {
            secrets: [{ ...token, value: "other" }],
            egress: "none",
          });
          await expect(change).rejects.toThrow("stopped here");
          expect(readSecrets(installation, vm.id)?.secrets[0]?.value).toBe(
            had ? "hunter2" : (undefined as never),
          );
          expect(getVm(installation.db, "web").policy).toEqual(openPolicy);
          expect(existsSync(join(installation.paths.vmFolder(vm.id), "secrets.json.before"))).toBe(false);
        }
      }
      breakAt = undefined;
    }
  });

  const refused: readonly (readonly [changes: object, says: string])[] = [
    [{ name: "1" }, "a variable's"],
    [{ value: "" }, "0 bytes"],
    [{ value: "a\nb" }, "control characters"],
    [{ value: "a\u0000b" }, "control characters"],
    [{ value: "x".repeat(8193) }, "8193 bytes"],
    [{ hosts: [] }, "for no host"],
    [{ hosts: ["10.0.0.1"] }, "is not a host's name"],
  ];
  test.each(refused)("that no request can carry are refused: %j", async (changes, says) => {
    addVm("web");
    const update = updateVm(installation, "web", { secrets: [{ ...token, ...changes }] });
    await expect(update).rejects.toThrow(says);
  });

  test("are refused where the network cannot put them into requests", async () => {
    use({ policies: "networks" });
    addVm("web");
    await expect(updateVm(installation, "web", { secrets: [token] })).rejects.toMatchObject({
      code: "unsupported",
    });
  });
});
