import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { formatNetwork4, parseNetwork4 } from "../src/network/ipv4.ts";
import type { VmNetwork } from "../src/network/network.ts";
import { createTapNetwork } from "../src/network/tap/driver.ts";
import { networkContext } from "../src/network/testing/context.ts";
import { createInspector } from "../src/network/user/inspector.ts";
import { median, type Result, ratioResult } from "./measure.ts";

const present = 1000;
const rounds = 15;

/** What the network part of a start costs with no VM there and with a thousand, in a network namespace of its own. */
export function measureFirewall(): Result[] {
  if (process.getuid?.() !== 0) {
    console.log("the firewall is not measured: that needs root");
    return [];
  }
  const args = [
    "--net",
    "--",
    process.execPath,
    "--conditions=linux",
    join(import.meta.dir, "firewall.ts"),
    "measure",
  ];
  const { status, stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8", timeout: 600_000 });
  if (status !== 0) throw new Error(`the firewall's measurement ended with ${status}: ${stderr}`);
  const [first = [], last = []]: number[][] = JSON.parse(stdout);
  const of = (samples: number[]) => ({ medianMs: median(samples), samples });
  return [
    ratioResult(`attach to TAP and firewall with ${present} VMs`, of(last), of(first), "with none", 1.5),
  ];
}

async function measure(): Promise<number[][]> {
  spawnSync("ip", ["link", "set", "lo", "up"]);
  const context = networkContext({ installationId: "0123abcd", subnet: "10.100.0.0/16" });
  const network = createTapNetwork(context, async () => createInspector(context));
  const attach = async (index: number): Promise<number> => {
    const started = performance.now();
    await network.attach(vmOf(index));
    return performance.now() - started;
  };
  const samples = async (from: number): Promise<number[]> => {
    const times: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const elapsed = await attach(from);
      if (round > 0) times.push(elapsed);
      await network.detach(vmOf(from).vmId);
    }
    return times;
  };
  const first = await samples(0);
  for (let index = 1; index <= present; index++) await attach(index);
  return [first, await samples(present + 1)];
}

function vmOf(index: number): VmNetwork {
  const base = parseNetwork4("10.100.0.0/16").base + index * 4;
  return {
    vmId: index.toString(16).padStart(12, "0").split("").reverse().join(""),
    name: `vm-${index}`,
    mode: "default",
    mac: "52:54:00:00:00:01",
    block: formatNetwork4({ base, prefix: 30 }),
    ports: [],
    policy: { default: "allow", rules: [] },
    secrets: [],
    authority: null,
  };
}

if (process.argv[2] === "measure") console.log(JSON.stringify(await measure()));
