import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { busyboxImages } from "../../../test/support/images.ts";
import { writeLayout } from "../../../test/support/layouts.ts";
import { missingForRegistry, TestRegistry } from "../../../test/support/registry.ts";
import { skipUnless } from "../../../test/support/require.ts";
import { hostArchitecture } from "../../guest/binary/architecture.ts";
import { pushVm } from "../../snapshot/push.ts";
import { digestOf } from "../oci/blobs.ts";
import { fakeXfs } from "../testing/superblocks.ts";
import { Workshop } from "../testing/workshop.ts";

// A disk goes to a real registry, and comes to another installation.

const missing = missingForRegistry();
const skip = skipUnless("registry", missing === undefined, missing ?? "");
const host = `linux/${hostArchitecture()}`;
setDefaultTimeout(120_000);

function ran(program: string, ...args: string[]): Buffer {
  const { status, stdout, stderr } = spawnSync(program, args);
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
  return stdout;
}

/** A disk's bytes, whatever holds them. */
function digestOfDisk(workshop: Workshop, path: string): string {
  const raw = join(workshop.home, "raw");
  ran("qemu-img", "convert", "-O", "raw", join(workshop.stateDir, "storage", path), raw);
  try {
    return digestOf(readFileSync(raw));
  } finally {
    rmSync(raw);
  }
}

describe.skipIf(skip)("a disk as an artifact", () => {
  let registry: TestRegistry;
  let here: Workshop;
  let there: Workshop;
  beforeEach(async () => {
    registry = await TestRegistry.start();
    here = await Workshop.make();
    there = await Workshop.make();
    const layout = join(here.home, "layout");
    writeLayout(layout, { ...(busyboxImages["layered"]?.() ?? { layers: [] }), platform: host });
    registry.push(layout, "base:1");
  });
  afterEach(async () => {
    here[Symbol.dispose]();
    there[Symbol.dispose]();
    await registry[Symbol.asyncDispose]();
  });

  const at = (name: string) => ({ reference: `${registry.host}/${name}`, tlsVerify: false });
  const manifestOf = (name: string): { layers: { digest: string }[] } =>
    JSON.parse(
      ran("skopeo", "inspect", "--raw", "--tls-verify=false", `docker://${registry.host}/${name}`).toString(),
    );

  async function pushed(): Promise<{ digest: string; vmId: string }> {
    const image = await here.images.pull(at("base:1"));
    const vmId = await here.addVm("web", image.id);
    const disk = join(here.stateDir, "storage", "vms", `${vmId}.qcow2`);
    ran("qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 512M 1M", disk);
    const { digest } = await pushVm(here.installation, "web", at("web:1"));
    return { digest, vmId };
  }

  test("of a VM is restored byte for byte, and what the image has is not even asked for", async () => {
    const { digest, vmId } = await pushed();
    const image = await here.images.list();
    await here.images.push(image[0]?.name ?? "", at("whole:1"));
    await there.images.pull(at("base:1"));
    const own = new Set(manifestOf("whole:1").layers.map((layer) => layer.digest));
    const shared = manifestOf("web:1").layers.filter((layer) => own.has(layer.digest));
    expect(shared.length).toBeGreaterThan(0);
    for (const layer of shared) registry.forget(layer.digest);
    const restored = await there.images.pull(at("web:1"));
    expect(restored).toMatchObject({ digest, diskBytes: 1024 ** 3 });
    expect(digestOfDisk(there, `images/${restored.id}.ext4`)).toBe(digestOfDisk(here, `vms/${vmId}.qcow2`));
    expect(readdirSync(join(there.stateDir, "storage", "vms"))).toEqual([]);
    expect(there.files().filter((name) => !name.startsWith("storage/images/"))).toEqual([]);
    expect(here.files().filter((name) => !name.startsWith("storage/images/"))).toEqual([]);
  });

  test("that lies on another file system than images of layers is known there as what it is", async () => {
    const file = join(here.home, "disk");
    writeFileSync(file, fakeXfs({ sizeBytes: 8 * 1024 ** 2 }));
    await here.images.import(file, { name: "cloud" });
    await here.images.push("cloud", at("cloud:1"));
    expect(await there.images.pull(at("cloud:1"))).toMatchObject({ fileSystem: "xfs" });
    await here.images.push((await here.images.pull(at("base:1"))).name, at("whole:1"));
    expect(await there.images.pull(at("whole:1"))).toMatchObject({ fileSystem: "ext4" });
  });

  test("is restored without the image, and a lost chunk leaves nothing", async () => {
    const { vmId } = await pushed();
    const restored = await there.images.pull(at("web:1"));
    expect(digestOfDisk(there, `images/${restored.id}.ext4`)).toBe(digestOfDisk(here, `vms/${vmId}.qcow2`));
    await there.images.delete(restored.name);
    rmSync(join(there.stateDir, "layers"), { recursive: true });
    registry.forget(manifestOf("web:1").layers[0]?.digest ?? "");
    await expect(there.images.pull(at("web:1"))).rejects.toThrow();
    expect(there.files()).toEqual([]);
  });
});
