import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { skipUnless } from "../require.ts";
import { tinyKernel } from "../tiny-kernel.ts";
import { firecrackerDouble } from "./double.ts";
import { TestNamespace } from "./namespace.ts";
import { FirecrackerSession } from "./session.ts";

const double = firecrackerDouble();
const root = process.getuid?.() === 0;
const skip = skipUnless("firecracker-double", double.available && root, double.reason ?? "this needs root");

test.skipIf(skip)(
  "a TAP is held from the request on, refused to a second VM, and the guest's when it runs",
  async () => {
    using namespace = new TestNamespace("tap");
    namespace.ip("tuntap", "add", "vm0", "mode", "tap");
    namespace.ip("link", "set", "vm0", "up");
    const inside = namespace.wrap(double.firecracker);
    await using one = await FirecrackerSession.start(inside);
    await using two = await FirecrackerSession.start(inside);
    const network = { iface_id: "eth0", host_dev_name: "vm0", guest_mac: "06:00:00:00:00:01" };
    const held = (): boolean => !namespace.ip("link", "show", "vm0").includes("NO-CARRIER");
    expect(held()).toBe(false);
    await one.ask("PUT", "/network-interfaces/eth0", network);
    expect(held()).toBe(true);
    const refused = await two.send("PUT", "/network-interfaces/eth0", network);
    expect(refused.body).toContain("Device or resource busy (os error 16)");
    await one.ask("PUT", "/network-interfaces/eth0", network);
    writeFileSync(join(one.folder, "kernel"), tinyKernel("it runs"));
    await one.ask("PUT", "/boot-source", { kernel_image_path: "kernel" });
    await one.ask("PUT", "/actions", { action_type: "InstanceStart" });
    expect((await one.send("PATCH", "/network-interfaces/eth0", { iface_id: "eth0" })).status).toBe(204);
    expect(held()).toBe(true);
  },
  30_000,
);
