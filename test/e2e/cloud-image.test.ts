import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cloudImage, missingForCloudImage } from "../support/cloud-image/cloud-image.ts";
import { runCommand, TestInstallation } from "../support/ember.ts";
import { busyboxImages } from "../support/images.ts";
import { writeLayout } from "../support/layouts.ts";
import { skipUnless } from "../support/require.ts";

// A cloud image as Debian publishes them, from its file to a VM that its own cloud-init set up, and a fork of that.

const missing = missingForCloudImage();
const skip = skipUnless("cloud-image", missing === undefined, missing ?? "");

const ember = new TestInstallation();
let work: string;
let port: number;

const userData = `#cloud-config
write_files:
  - path: /etc/from-user-data
    content: "hello"
`;

beforeAll(async () => {
  if (skip) return;
  work = mkdtempSync(join(tmpdir(), "ember-cloud-"));
  const file = await cloudImage();
  port = await freePort();
  writeFileSync(join(work, "user-data"), userData);
  await ember.ok(["init"]);
  await ember.ok(["image", "import", file, "--name", "cloud"]);
  const machine = ["--memory", "768M", "--disk-size", "5G", "-p", `${port}:22`];
  await ember.ok(
    ["vm", "create", "web", "--image", "cloud", ...machine, "--user-data", join(work, "user-data")],
    { timeoutMs: 600_000 },
  );
  await settled("web");
}, 1_800_000);

afterAll(async () => {
  await ember[Symbol.asyncDispose]();
  if (!skip) rmSync(work, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}

const exec = (name: string, ...command: string[]): Promise<string> =>
  ember.ok(["exec", name, "--", ...command]);

/** Waits until all that the boot begins has ended. */
async function settled(name: string): Promise<void> {
  const wait =
    "until systemctl is-system-running 2>/dev/null | grep -Eq 'running|degraded'; do sleep 0.5; done";
  await ember.ok(["exec", name, "--timeout", "900s", "--", "sh", "-c", wait], { timeoutMs: 1_000_000 });
}

async function hostKeyOf(name: string): Promise<string> {
  return (await exec(name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")).split(" ")[1] ?? "";
}

describe.skipIf(skip)("a VM from a cloud image", () => {
  test("is set up by the image's own cloud-init, as the instance that it is", async () => {
    const { id } = (await ember.json(["vm", "inspect", "web"])) as { id: string };
    const status = await exec("web", "cloud-init", "status", "--long");
    expect(status).toContain("status: done");
    expect(status).toContain("DataSourceNoCloud [seed=/var/lib/cloud/seed/nocloud]");
    expect(await exec("web", "cloud-init", "query", "instance_id")).toBe(id);
    expect(await exec("web", "cat", "/etc/from-user-data")).toBe("hello");
  }, 120_000);

  test("comes up without a failed unit, and waits for no disk or network that it has not", async () => {
    expect(await exec("web", "systemctl", "list-units", "--failed", "--no-legend", "--plain")).toBe("");
    expect(await exec("web", "systemctl", "is-system-running")).toBe("running");
    const journal = await exec("web", "journalctl", "-b", "--no-pager", "-o", "cat");
    expect(journal).not.toMatch(/Timed out waiting for device .*(UEFI|partuuid)/i);
    expect(journal).not.toContain("Dependency failed for Local File Systems");
    expect(await exec("web", "systemctl", "show", "boot-efi.mount", "-P", "ConditionResult")).toBe("no");
    const waits = await exec("web", "systemctl", "show", "systemd-networkd-wait-online", "-P", "Result");
    expect(waits).toBe("success");
  }, 120_000);

  test("has the name, the address and the resolver that it was given", async () => {
    const details = (await ember.json(["vm", "inspect", "web"])) as { network: { guestIp: string } };
    expect(await exec("web", "hostname")).toBe("web");
    expect(await exec("web", "cat", "/etc/hosts")).toContain(`${details.network.guestIp}\tweb`);
    expect(await exec("web", "ip", "-brief", "address", "show", "scope", "global")).toContain(
      details.network.guestIp,
    );
    expect(await exec("web", "sh", "-c", "ls /etc/netplan")).toBe("90-default.yaml");
    expect(await exec("web", "resolvectl", "dns")).toMatch(/Global: [0-9a-f.:]+/);
  });

  test("has its root grown to the disk's size, mounted as the image wants it", async () => {
    const sizes = await exec("web", "findmnt", "-bno", "SIZE,OPTIONS,SOURCE", "/");
    expect(Number(sizes.trim().split(/\s+/)[0])).toBeGreaterThan(4.7 * 1024 ** 3);
    expect(sizes).toMatch(/discard.*\/dev\/vda/);
    expect(sizes).toContain("errors=remount-ro");
  });

  test("lets ember's key in by its own sshd, as the image's user, who may use sudo", async () => {
    const key = join(ember.stateDir, "ssh", "id_ed25519");
    const known = join(work, "known_hosts");
    writeFileSync(known, `[127.0.0.1]:${port} ssh-ed25519 ${await hostKeyOf("web")}\n`);
    const options = ["-F", "none", "-i", key, "-o", "BatchMode=yes", "-o", `UserKnownHostsFile=${known}`];
    const login = ["-p", String(port), "debian@127.0.0.1", "id -un; sudo id -un"];
    const result = await runCommand("ssh", [...options, ...login], { env: ember.environment });
    expect(result).toMatchObject({ status: 0, stdout: "debian\nroot\n" });
    expect(await ember.ok(["exec", "web", "--user", "debian", "--", "id", "-un"])).toBe("debian");
  }, 120_000);

  test("is told when nothing in its image reads its user-data", async () => {
    const layout = join(work, "layout");
    writeLayout(layout, busyboxImages["plain"]?.() ?? { layers: [] });
    await ember.ok(["image", "import", layout, "--name", "plain"]);
    const args = ["--image", "plain", "--memory", "128M", "--user-data", join(work, "user-data")];
    const { status, stderr } = await ember.run(["vm", "create", "plain", ...args], { timeoutMs: 300_000 });
    expect({ status, stderr }).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("has no cloud-init"),
    });
    await ember.ok(["vm", "delete", "plain", "--force"]);
  }, 400_000);

  test("has nothing of this on its disk: another VM from it starts as anew", async () => {
    const hostKey = await hostKeyOf("web");
    await ember.ok(["vm", "stop", "web", "--timeout", "180s"], { timeoutMs: 240_000 });
    await ember.ok(["vm", "fork", "web", "web2"], { timeoutMs: 600_000 });
    await settled("web2");
    const { id } = (await ember.json(["vm", "inspect", "web2"])) as { id: string };
    expect(await exec("web2", "cloud-init", "query", "instance_id")).toBe(id);
    expect(await exec("web2", "cloud-init", "status")).toBe("status: done");
    expect(await exec("web2", "hostname")).toBe("web2");
    expect(await hostKeyOf("web2")).not.toBe(hostKey);
    expect(await exec("web2", "systemctl", "list-units", "--failed", "--no-legend", "--plain")).toBe("");
    const below = "umount -l /var/lib/cloud/seed/nocloud && ls -A /var/lib/cloud/seed/nocloud";
    expect(await exec("web2", "sh", "-c", below)).toBe("");
  }, 1_200_000);
});
