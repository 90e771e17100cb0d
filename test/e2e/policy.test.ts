import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { networkOperation } from "../../src/vm/operations/network.ts";
import { type CommandResult, networkProcesses, type TestInstallation } from "../support/ember.ts";
import { skipUnless } from "../support/require.ts";
import { hosts, World } from "../support/world.ts";

// What real guests reach by name on the network without root: allowed and refused, recorded, learned; and secrets, which arrive
// where they are to and are nowhere else. The internet is a network namespace.
const skipped = skipUnless("netns", process.getuid?.() === 0, "network namespaces need root");
const value = "s3cret-value-of-the-test";
const small = ["--image", "client", "--memory", "256M"];
let world: World;
let ember: TestInstallation;
let tokenFile: string;

beforeAll(async () => {
  if (skipped) return;
  world = new World();
  ember = await world.install("--network", "user");
  tokenFile = join(world.places.work, "token");
  writeFileSync(tokenFile, `${value}\n`, { mode: 0o600 });
  const secret = ["--secret", `TOKEN=@${tokenFile}`, "--secret-host", "api.example"];
  await ember.ok(["vm", "create", "bot", ...small, "--allow-host", "api.example", ...secret]);
}, 300_000);

afterAll(async () => {
  await ember?.[Symbol.asyncDispose]();
  world?.[Symbol.dispose]();
});

/** Asks from inside a guest; `headers` are words of a shell there. */
function get(vm: string, url: string, headers = ""): Promise<CommandResult> {
  return ember.run(["exec", vm, "--", "sh", "-c", `exec world get ${url} ${headers}`]);
}

/** Asks until the answer is as wanted, or for ten seconds; gives the last one. */
async function until(ask: () => Promise<string>, wanted: (text: string) => boolean): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const text = await ask();
    if (wanted(text) || attempt === 40) return text;
    await sleep(250);
  }
}

interface Audit {
  readonly flows: readonly { readonly name: string; readonly verdict: string; readonly rule: string }[];
}

describe.skipIf(skipped)("a policy with names", () => {
  test("lets the VM reach the host that it names, over TLS and HTTP, and nobody else", async () => {
    expect((await get("bot", "https://api.example/")).stdout).toBe("200 host=api.example tls=true token=\n");
    expect((await get("bot", "http://api.example/")).stdout).toContain("200 host=api.example tls=false");
    for (const url of [
      "https://other.example/",
      "http://other.example/",
      `http://${hosts["other.example"]}/`,
    ]) {
      const { status, stdout } = await get("bot", url);
      expect({ url, ok: status === 0 && stdout.startsWith("200") }).toEqual({ url, ok: false });
    }
  }, 120_000);

  test("names the rule, or that there is none, in the answer to HTTP for another host of an allowed address", async () => {
    const { stdout } = await get("bot", "http://api.example/", "Host:www.api.example");
    expect(stdout).toStartWith("403 ");
    expect(stdout).toContain("www.api.example");
  }, 60_000);

  test("is not led astray by a name that TLS says and the address was never answered for", async () => {
    const other = hosts["other.example"];
    for (const url of ["https://other.example/", `https://${other}/`]) {
      const { stdout } = await get("bot", url, "SNI:api.example");
      expect({ url, stdout }).toEqual({ url, stdout: "" });
    }
    // The other way round: an allowed host's address, and the name of another.
    await get("bot", "https://api.example/");
    expect((await get("bot", "https://api.example/", "SNI:other.example")).stdout).toBe("");
    expect((await get("bot", "https://api.example/", "SNI:api.example")).stdout).toContain(
      "200 host=api.example",
    );
  }, 120_000);

  test("ends a connection that is open when a change refuses it, and no other", async () => {
    await ember.ok(["vm", "update", "bot", "--allow-host", "api.example", "--allow-host", "other.example"]);
    for (const name of ["api.example", "other.example"] as const) {
      await get("bot", `https://${name}/`);
      const hold = `sleep 300 | exec nc ${hosts[name]} 443`;
      await ember.ok(["exec", "bot", "--detach", "--", "sh", "-c", hold]);
    }
    // Nobody says anything on them: they stand as long as nobody ends them.
    const open = async (): Promise<string> =>
      (
        await ember.run([
          "exec",
          "bot",
          "--",
          "sh",
          "-c",
          "for pid in $(pidof nc); do tr '\\0' ' ' < /proc/$pid/cmdline; done",
        ])
      ).stdout;
    const [api, other] = [`nc ${hosts["api.example"]} 443 `, `nc ${hosts["other.example"]} 443 `];
    const both = await until(open, (text) => text.includes(api) && text.includes(other));
    expect(both).toContain(api);
    expect(both).toContain(other);
    await ember.ok(["vm", "update", "bot", "--allow-host", "api.example"]);
    expect(await until(open, (text) => !text.includes(other))).toBe(api);
    await ember.run(["exec", "bot", "--", "killall", "nc", "sleep"]);
  }, 120_000);

  test("holds for names that were resolved before ember-net was killed", async () => {
    expect((await get("bot", "https://api.example/")).stdout).toContain("200 host=api.example");
    await sleep(2500); // answers are written once a second
    const [pid = 0] = networkProcesses(ember.stateDir);
    process.kill(pid, "SIGKILL");
    const url = `https://${hosts["api.example"]}/`;
    expect((await get("bot", url, "SNI:api.example Host:api.example")).stdout).toContain(
      "200 host=api.example",
    );
    expect((await get("bot", url, "SNI:other.example Host:other.example")).stdout).toBe("");
  }, 120_000);

  test("changes while the VM runs", async () => {
    await ember.ok([
      "vm",
      "update",
      "bot",
      "--allow-host",
      "api.example",
      "--allow-host",
      "other.example:443",
    ]);
    expect((await get("bot", "https://other.example/")).stdout).toContain("200 host=other.example tls=true");
    await ember.ok(["vm", "update", "bot", "--allow-host", "api.example"]);
    expect((await get("bot", "https://other.example/")).status).not.toBe(0);
  }, 120_000);
});

describe.skipIf(skipped)("what a VM reached", () => {
  test("is recorded with name and verdict, also when it is stopped, and counted", async () => {
    await get("bot", "https://api.example/");
    await get("bot", "https://other.example/");
    const { flows } = (await ember.json(["net", "audit", "bot"])) as Audit;
    expect(flows).toContainEqual(
      expect.objectContaining({
        name: "api.example",
        verdict: "allowed",
        rule: "--allow-host api.example",
        port: 443,
      }),
    );
    expect(flows).toContainEqual(expect.objectContaining({ name: "other.example", verdict: "refused" }));
    expect(await ember.json(["net", "status"])).toMatchObject({
      driver: "user",
      vms: [{ name: "bot", linked: true }],
    });
    await ember.ok(["vm", "stop", "bot", "--timeout", "10s"]);
    const stopped = (await ember.json(["net", "audit", "bot"])) as Audit;
    expect(stopped.flows).toContainEqual(
      expect.objectContaining({ name: "api.example", verdict: "allowed" }),
    );
    await ember.ok(["vm", "start", "bot"]);
  }, 180_000);

  test("is a policy that allows just that, once learned", async () => {
    await ember.ok(["vm", "create", "free", ...small]);
    await get("free", "https://api.example/");
    const { flags } = (await ember.json(["net", "audit", "free", "--learn"])) as { flags: string[] };
    expect(flags).toEqual(["--allow-host api.example:443"]);
    await ember.ok(["vm", "update", "free", ...flags.flatMap((flag) => flag.split(" "))]);
    expect((await get("free", "https://api.example/")).stdout).toContain("200");
    expect((await get("free", "https://other.example/")).status).not.toBe(0);
    expect((await get("free", "http://api.example/")).stdout).not.toContain("200 host");
    await ember.ok(["vm", "delete", "--force", "free"]);
  }, 180_000);
});

describe.skipIf(skipped)("a secret", () => {
  test("arrives at its host over TLS, while the guest has a placeholder", async () => {
    const { stdout } = await get("bot", "https://api.example/", '"X-Token:Bearer $TOKEN"');
    expect(stdout).toBe(`200 host=api.example tls=true token=Bearer ${value}\n`);
    const environment = await ember.ok(["exec", "bot", "--", "env"]);
    expect(environment).toMatch(/^TOKEN=ember-placeholder-[0-9a-f]{32}$/m);
    expect(environment).not.toContain(value);
  }, 60_000);

  test("goes neither over plain HTTP nor to another host", async () => {
    await ember.ok(["vm", "update", "bot", "--allow-host", "api.example", "--allow-host", "other.example"]);
    for (const url of ["http://api.example/", "https://other.example/"]) {
      const { stdout } = await get("bot", url, '"X-Token:$TOKEN"');
      expect(stdout).toContain("token=ember-placeholder-");
      expect(stdout).not.toContain(value);
    }
    await ember.ok(["vm", "update", "bot", "--allow-host", "api.example"]);
  }, 120_000);

  test("is in no argument, environment, log, database or file that others can read", async () => {
    const { runtimeDir } = (await ember.json(["info"])) as { runtimeDir: string };
    const files = [...filesBelow(ember.stateDir), ...filesBelow(runtimeDir)];
    const holding = files.filter((path) => readFileSync(path).includes(value));
    expect(holding.map((path) => path.slice(path.lastIndexOf("/") + 1))).toEqual(["secrets.json"]);
    for (const path of holding) expect(statSync(path).mode & 0o077).toBe(0);
    for (const pid of readdirSync("/proc").filter(
      (name) => /^\d+$/.test(name) && Number(name) !== process.pid,
    )) {
      for (const part of ["cmdline", "environ"])
        expect(readOrNothing(`/proc/${pid}/${part}`)).not.toContain(value);
    }
  });

  test("whose change is killed at any step is the one from before after the next command, in file and requests", async () => {
    const other = join(world.places.work, "other-token");
    writeFileSync(other, "never-to-be-sent");
    for (const { name } of networkOperation().steps) {
      for (const phase of ["before", "after"]) {
        const update = ["vm", "update", "bot", "--secret", `TOKEN=@${other}`, "--secret-host", "api.example"];
        const killed = await ember.run(update, { env: { EMBER_FAULT: `kill:vm.network:${name}:${phase}` } });
        expect(killed.status).toBe(137);
        await ember.ok(["reconcile"]);
        const { stdout } = await get("bot", "https://api.example/", '"X-Token:$TOKEN"');
        expect(stdout).toBe(`200 host=api.example tls=true token=${value}\n`);
        const holding = filesBelow(ember.stateDir).filter((path) => path.includes("secrets.json"));
        expect(holding.map((path) => readFileSync(path, "utf8").includes(value))).toEqual([true]);
      }
    }
  }, 240_000);

  test("is shown by name and host, goes with a fork, and changes for a VM that runs", async () => {
    const shown = await ember.ok(["vm", "inspect", "bot", "--format", "json"]);
    expect(JSON.parse(shown)).toMatchObject({ secrets: [{ name: "TOKEN", hosts: ["api.example"] }] });
    expect(shown).not.toContain(value);
    writeFileSync(tokenFile, "another-value");
    await ember.ok([
      "vm",
      "update",
      "bot",
      "--secret",
      `TOKEN=@${tokenFile}`,
      "--secret-host",
      "api.example",
    ]);
    const changed = await get("bot", "https://api.example/", '"X-Token:$TOKEN"');
    expect(changed.stdout).toContain("token=another-value");
    await ember.ok(["vm", "stop", "bot", "--timeout", "10s"]);
    await ember.ok(["vm", "fork", "bot", "copy"]);
    const forked = await get("copy", "https://api.example/", '"X-Token:$TOKEN"');
    expect(forked.stdout).toContain("token=another-value");
    await ember.ok(["vm", "delete", "--force", "copy"]);
    await ember.ok(["vm", "update", "bot", "--no-secrets"]);
    expect(await ember.json(["vm", "inspect", "bot"])).toMatchObject({ secrets: [] });
    expect(filesBelow(ember.stateDir).filter((path) => path.includes("secrets.json"))).toEqual([]);
  }, 240_000);
});

describe.skipIf(skipped)("ports on the network without root", () => {
  /** Waits until exactly these of the ports lead to the guest: its server takes a moment. */
  async function expectOpen(ports: readonly number[], asked: readonly number[]): Promise<void> {
    const { places } = world;
    const open = (): number[] => {
      const cells = places.reachedFrom(places.host, ...asked.map((port) => `127.0.0.1:${port}`));
      return asked.filter((port) => cells.includes(`tcp 127.0.0.1:${port}`));
    };
    for (let attempt = 0; attempt < 20 && open().join() !== ports.join(); attempt++) await sleep(200);
    expect(open()).toEqual([...ports]);
  }

  beforeAll(async () => {
    if (skipped) return;
    await ember.ok(["vm", "start", "bot"]);
    await world.places.serveIn(ember, "bot");
  }, 120_000);

  test("are published and given back while the VM runs, and a taken one is named with its owner", async () => {
    await ember.ok(["vm", "publish", "bot", "17100:7000", "17101:7000"]);
    await expectOpen([17_100, 17_101], [17_100, 17_101]);
    await ember.ok(["vm", "unpublish", "bot", "17101"]);
    await expectOpen([17_100], [17_100, 17_101]);
    const taken = await ember.run(["vm", "publish", "bot", "17102:7000", "0.0.0.0:7000:7000"]);
    expect(taken).toMatchObject({ status: 4 });
    expect(taken.stderr).toMatch(/port 0.0.0.0:7000\/tcp is taken by 'reach' \(pid \d+\)/);
    await expectOpen([17_100], [17_100, 17_102]);
    await ember.ok(["vm", "unpublish", "bot", "17100"]);
  }, 120_000);

  test("whose change is killed at any step are what the database says after the next command", async () => {
    await ember.ok(["vm", "publish", "bot", "17103:7000"]);
    for (const { name } of networkOperation().steps) {
      for (const phase of ["before", "after"]) {
        const killed = await ember.run(["vm", "publish", "bot", "17104:7000"], {
          env: { EMBER_FAULT: `kill:vm.network:${name}:${phase}` },
        });
        expect(killed.status).toBe(137);
        await ember.ok(["reconcile"]);
        await expectOpen([17_103], [17_103, 17_104]);
      }
    }
    await ember.ok(["vm", "unpublish", "bot", "17103"]);
  }, 240_000);
});

describe.skipIf(skipped)("the host's questions", () => {
  test("about VMs are answered at the port that is set, at once and after a restart, until that is taken back", async () => {
    const { host } = world.places;
    const answer = (name: string): string | undefined =>
      host.succeeds(world.program, "ask", "127.0.0.1:15353", name)
        ? host.run(world.program, "ask", "127.0.0.1:15353", name).trim()
        : undefined;
    await ember.ok(["vm", "start", "bot"]);
    expect(answer("bot.ember.internal")).toBeUndefined();
    const file = await ember.ok(["net", "resolver", "--port", "15353"]);
    expect(file).toContain("DNS=127.0.0.1:15353");
    expect(answer("bot.ember.internal")).toBe("[127.0.0.1]");
    expect(answer("nobody.ember.internal")).toBeUndefined();
    await ember.ok(["vm", "restart", "bot", "--timeout", "5s"]);
    expect(answer("bot.ember.internal")).toBe("[127.0.0.1]");
    const taken = await ember.run(["net", "resolver", "--port", "7000"]);
    expect(taken).toMatchObject({ status: 4 });
    expect(answer("bot.ember.internal")).toBe("[127.0.0.1]");
    await ember.ok(["net", "resolver", "--off"]);
    expect(answer("bot.ember.internal")).toBeUndefined();
  }, 120_000);
});

/** Regular files, disks included. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // gone meanwhile
  }
}
