import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { TestInstallation } from "../support/ember.ts";
import { skipUnless } from "../support/require.ts";
import { World } from "../support/world.ts";

// Rules about names and secrets where the host routes the guests' packets: the firewall redirects what such a VM begins to
// ember-net. What is decided there is tried on the user network (policy.test.ts); here, that it is asked.
const skipped = skipUnless("tap", process.getuid?.() === 0, "TAP interfaces need root");
const value = "s3cret-value-of-the-test";
const small = ["--image", "client", "--memory", "256M"];
let world: World;
let ember: TestInstallation;

beforeAll(async () => {
  if (skipped) return;
  world = new World();
  ember = await world.install("--network", "tap");
  // The host's own firewall lets nothing in but answers: it must be asked to let the redirected connections pass.
  const { host } = world.places;
  host.run("iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT");
  host.run("iptables", "-P", "INPUT", "DROP");
  const file = join(world.places.work, "token");
  writeFileSync(file, `${value}\n`, { mode: 0o600 });
  const secret = ["--secret", `TOKEN=@${file}`, "--secret-host", "api.example"];
  await ember.ok(["vm", "create", "bot", ...small, "--allow-host", "api.example", ...secret]);
  await ember.ok(["vm", "create", "plain", ...small]);
}, 300_000);

afterAll(async () => {
  await ember?.[Symbol.asyncDispose]();
  world?.[Symbol.dispose]();
});

async function get(vm: string, url: string, headers = ""): Promise<string> {
  const { stdout } = await ember.run(["exec", vm, "--", "sh", "-c", `exec world get ${url} ${headers}`]);
  return stdout;
}

describe.skipIf(skipped)("a TAP guest with rules about names", () => {
  test("reaches the host that is named, with its secret, and nobody else, while others reach all", async () => {
    expect(await get("bot", "https://api.example/", '"X-Token:$TOKEN"')).toBe(
      `200 host=api.example tls=true token=${value}\n`,
    );
    expect(await get("bot", "https://other.example/")).not.toContain("200");
    expect(await get("bot", "http://api.example/", "Host:www.api.example")).toStartWith("403 ");
    expect(await get("plain", "https://other.example/")).toContain("200 host=other.example");
  }, 120_000);

  test("reaches its siblings, and not the host", async () => {
    const plain = (await ember.json(["vm", "inspect", "plain"])) as {
      network: { guestIp: string; hostIp: string };
    };
    const bot = (await ember.json(["vm", "inspect", "bot"])) as typeof plain;
    await ember.ok([
      "exec",
      "plain",
      "--detach",
      "--",
      "sh",
      "-c",
      "while true; do echo hello | nc -l -p 7000; done",
    ]);
    // The server takes a moment.
    const ask = "for i in $(seq 40); do nc -w 5 plain 7000 </dev/null && break; sleep 0.5; done";
    expect(await ember.ok(["exec", "bot", "--", "sh", "-c", ask])).toBe("hello");
    const { status } = await ember.run(["exec", "bot", "--", "nc", "-w", "5", bot.network.hostIp, "22"]);
    expect(status).not.toBe(0);
  }, 120_000);

  test("is recorded, and keeps its rules when ember-net is killed", async () => {
    expect(await ember.json(["net", "audit", "bot"])).toMatchObject({
      flows: expect.arrayContaining([
        expect.objectContaining({ name: "api.example", verdict: "allowed", by: "sni" }),
        expect.objectContaining({ name: "other.example", verdict: "refused" }),
      ]),
    });
    const { process: net } = (await ember.json(["net", "status"])) as { process: { pid: number } };
    process.kill(net.pid, "SIGKILL");
    await sleep(200);
    expect(await get("bot", "https://api.example/")).toContain("200");
    expect(await get("bot", "https://other.example/")).not.toContain("200");
  }, 120_000);

  test("may be given other rules while it runs, and one without rules may be given some", async () => {
    await ember.ok(["vm", "update", "bot", "--allow-host", "other.example", "--no-secrets"]);
    expect(await get("bot", "https://other.example/")).toContain("200");
    expect(await get("bot", "https://api.example/")).not.toContain("200");
    await ember.ok(["vm", "update", "plain", "--deny-host", "other.example"]);
    expect(await get("plain", "https://other.example/")).not.toContain("200");
    expect(await get("plain", "https://api.example/")).toContain("200");
  }, 120_000);

  test("leaves no process when all are gone", async () => {
    await ember.ok(["vm", "delete", "--force", "bot", "plain"]);
    for (let waited = 0; waited < 20_000; waited += 500) {
      const { process: net } = (await ember.json(["net", "status"])) as { process: unknown };
      if (net === null) return;
      await sleep(500);
    }
    throw new Error("ember-net is still there");
  }, 60_000);
});
