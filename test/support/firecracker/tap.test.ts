import { afterEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skipUnless } from "../require.ts";
import { tinyKernel } from "../tiny-kernel.ts";
import { firecrackerDouble } from "./double.ts";
import { FirecrackerSession } from "./session.ts";

const double = firecrackerDouble();
const root = process.getuid?.() === 0;
const skip = skipUnless("firecracker-double", double.available && root, double.reason ?? "this needs root");
const namespace = `fc-tap-${process.pid}`;
const folder = mkdtempSync(join(tmpdir(), "fc-tap-"));

afterEach(() => {
  spawnSync("ip", ["netns", "del", namespace]);
  rmSync(folder, { recursive: true, force: true });
});

function ip(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("ip", ["-n", namespace, ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")} failed: ${stderr}`);
  return stdout;
}

test.skipIf(skip)(
  "a TAP is held from the request on, refused to a second VM, and the guest's when it runs",
  async () => {
    spawnSync("ip", ["netns", "add", namespace]);
    ip("tuntap", "add", "vm0", "mode", "tap");
    ip("link", "set", "vm0", "up");
    // The command line of the double, inside the namespace.
    const inside = join(folder, "firecracker");
    writeFileSync(inside, `#!/bin/sh\nexec ip netns exec ${namespace} '${double.firecracker}' "$@"\n`, {
      mode: 0o755,
    });
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
    await using one = await FirecrackerSession.start(inside, [], env);
    await using two = await FirecrackerSession.start(inside, [], env);
    const network = { iface_id: "eth0", host_dev_name: "vm0", guest_mac: "06:00:00:00:00:01" };
    expect(ip("link", "show", "vm0")).toContain("NO-CARRIER");
    await one.ask("PUT", "/network-interfaces/eth0", network);
    expect(ip("link", "show", "vm0")).not.toContain("NO-CARRIER");
    const refused = await two.send("PUT", "/network-interfaces/eth0", network);
    expect(refused.body).toContain("Device or resource busy (os error 16)");
    await one.ask("PUT", "/network-interfaces/eth0", network);
    writeFileSync(join(one.folder, "kernel"), tinyKernel("it runs"));
    await one.ask("PUT", "/boot-source", { kernel_image_path: "kernel" });
    await one.ask("PUT", "/actions", { action_type: "InstanceStart" });
    expect((await one.send("PATCH", "/network-interfaces/eth0", { iface_id: "eth0" })).status).toBe(204);
    expect(ip("link", "show", "vm0")).not.toContain("NO-CARRIER");
  },
  30_000,
);
