import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestRegistry } from "../../test/support/registry.ts";
import { imageIdOf } from "../big-images.ts";
import { BenchInstallation, executable } from "../installation.ts";
import { interleave, type Result, ratioResult, timeProcess, toldResult } from "../measure.ts";
import { type BenchLayer, layersOfHost } from "./layers.ts";
import { writeImage } from "./layout.ts";

const mib = 2 ** 20;
const layerCount = 20;
const sharedCount = 18;
const mostMemoryMib = 150;
const bun = join(import.meta.dir, "../../scripts/bun");

/** From an image in a registry on loopback to a bootable disk, against the least that there is to do. */
export function measurePulls(): Promise<Result[]> {
  return forEachSize(measure, 5);
}

/** The same against what one would do by hand. */
export function measurePullsByHand(): Promise<Result[]> {
  return forEachSize(measureByHand, 3);
}

type Measure = (
  scene: Scene,
  registry: TestRegistry,
  size: string,
  rounds: number,
) => Promise<readonly Result[]>;

async function forEachSize(one: Measure, rounds: number): Promise<Result[]> {
  const results: Result[] = [];
  for (const [name, bytes] of [
    ["100 MB", 100e6],
    ["1 GB", 1e9],
  ] as const) {
    using scene = new Scene();
    await using registry = await TestRegistry.start();
    scene.publish(registry, bytes);
    results.push(...(await one(scene, registry, name, rounds)));
  }
  return results;
}

/** A folder with an installation, and an image and another one that shares most of its layers. */
class Scene implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), "ember-bench-pull-"));
  readonly bench: BenchInstallation = new BenchInstallation();
  /** Of the files in the first image. */
  contentBytes = 0;

  constructor() {
    this.bench.ember("init");
    this.bench.ember("kernel", "pull", "debian");
  }

  layout(name: string): string {
    return join(this.folder, name);
  }

  publish(registry: TestRegistry, bytes: number): void {
    const more = layerCount - sharedCount;
    const total = (bytes * (layerCount + more)) / layerCount;
    const layers = layersOfHost(this.folder, layerCount + more, total);
    const one = layers.slice(0, layerCount);
    this.contentBytes = one.reduce((sum, layer) => sum + layer.contentBytes, 0);
    this.#publish(registry, "one", one);
    this.#publish(registry, "two", [...layers.slice(0, sharedCount), ...layers.slice(layerCount)]);
  }

  #publish(registry: TestRegistry, name: string, layers: readonly BenchLayer[]): void {
    writeImage(this.layout(name), layers);
    registry.push(this.layout(name), name);
  }

  /** An empty folder. */
  fresh(name: string): string {
    const path = join(this.folder, name);
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path);
    return path;
  }

  [Symbol.dispose](): void {
    this.bench[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const measure: Measure = async (scene, { host }, size, rounds) => {
  const { bench } = scene;
  const read = (interpreter: string, script: string): number =>
    timeProcess([interpreter, join(import.meta.dir, script), scene.layout("one")], bench.env);
  const [ours, bySystem, byBun, shared, booted] = await interleave(rounds, [
    () => pullAnew(scene, host),
    () => read("/usr/bin/python3", "read_layers.py"),
    () => read(bun, "read-layers.ts"),
    () => {
      pullAnew(scene, host);
      bench.ember("image", "delete", "one");
      return pull(scene, host, "two");
    },
    () => {
      forget(scene);
      return firstBoot(bench, `${host}/one`);
    },
  ]);
  if (!ours || !bySystem || !byBun || !shared || !booted) return [];
  forget(scene);
  const memory = await peakMemoryMib(bench, [`${host}/one`, "--name", "one", "--no-tls-verify"]);
  const what = `pull ${size}, ${layerCount} layers`;
  return [
    ratioResult(what, ours, bySystem, "system's zlib and SHA-256", 1.5),
    ratioResult(what, ours, byBun, "Bun's zlib and SHA-256", 1.5),
    ratioResult(`pull ${size}, ${sharedCount} layers here`, shared, ours, "the first pull", 1),
    toldResult(`${what}, and first boot`, `${booted.medianMs.toFixed(0)} ms`, ""),
    memoryResult(what, memory),
    diskResult(`disk of ${size}`, scene),
  ];
};

const measureByHand: Measure = async (scene, { host }, size, rounds) => {
  const [ours, byTar, byUmoci] = await interleave(rounds, [
    () => pullAnew(scene, host),
    () => byHand(scene, host, unpackByTar),
    () => byHand(scene, host, unpackByUmoci),
  ]);
  if (!ours || !byTar || !byUmoci) return [];
  const what = `pull ${size}, ${layerCount} layers`;
  return [
    ratioResult(what, ours, byTar, "skopeo, tar, mke2fs", 0.5),
    ratioResult(what, ours, byUmoci, "skopeo, umoci, mke2fs", 0.5),
  ];
};

const pull = ({ bench }: Scene, host: string, name: string): number =>
  bench.ember("image", "pull", `${host}/${name}`, "--name", name, "--no-tls-verify", "--quiet");

function pullAnew(scene: Scene, host: string): number {
  forget(scene);
  return pull(scene, host, "one");
}

/** No image and no layer is kept, and the disk is done with what is gone: that is no part of what comes next. */
function forget({ bench }: Scene): void {
  bench.ember("image", "prune", "--quiet");
  spawnSync("sync", ["-f", bench.stateDir]);
}

/** What the disk takes up, with its folders, tables and the ends of blocks, beside what is in its files. */
function diskResult(what: string, { bench, contentBytes }: Scene): Result {
  const path = join(bench.stateDir, "storage", "images", `${imageIdOf(bench, "one")}.ext4`);
  const occupied = statSync(path).blocks * 512;
  return toldResult(
    what,
    `${(occupied / mib).toFixed(0)} MiB`,
    `content ${(contentBytes / mib).toFixed(0)} MiB`,
  );
}

/** From a reference to a guest whose agent answers; leaves neither VM nor image. */
function firstBoot(bench: BenchInstallation, reference: string): number {
  const took = bench.ember("vm", "create", "first", "--image", reference, "--no-tls-verify", "--quiet");
  bench.ember("vm", "delete", "first", "--force", "--quiet");
  bench.ember("image", "delete", reference, "--quiet");
  return took;
}

type Unpack = (scene: Scene, layout: string, root: string) => number;

function byHand(scene: Scene, host: string, unpack: Unpack): number {
  const layout = join(scene.fresh("hand"), "layout");
  const root = join(scene.folder, "hand", "root");
  const copy = ["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false"];
  const fetched = timeProcess([...copy, `docker://${host}/one`, `oci:${layout}:latest`], scene.bench.env);
  const unpacked = unpack(scene, layout, root);
  const disk = join(scene.folder, "hand", "disk");
  const made = timeProcess(["mke2fs", "-q", "-t", "ext4", "-d", root, disk, "2G"], scene.bench.env);
  rmSync(join(scene.folder, "hand"), { recursive: true });
  return fetched + unpacked + made;
}

const unpackByTar: Unpack = (scene, layout, root) => {
  mkdirSync(root);
  const blobs = join(layout, "blobs", "sha256");
  const layers = readdirSync(blobs).map((name) => join(blobs, name));
  return layers
    .filter((path) => statSync(path).size > 10_000)
    .reduce((sum, path) => sum + timeProcess(["tar", "-C", root, "-xzf", path], scene.bench.env), 0);
};

const unpackByUmoci: Unpack = (scene, layout, root) => {
  const bundle = `${root}-bundle`;
  const took = timeProcess(["umoci", "unpack", "--image", `${layout}:latest`, bundle], scene.bench.env);
  timeProcess(["mv", join(bundle, "rootfs"), root], scene.bench.env);
  return took;
};

/** Of ember itself: skopeo's own is a registry client's. As the kernel counts it since the program began. */
async function peakMemoryMib({ env }: BenchInstallation, args: readonly string[]): Promise<number> {
  const child = spawn(executable, ["image", "pull", ...args], { env, stdio: "ignore" });
  const ended = once(child, "exit");
  let kib = 0;
  const timer = setInterval(() => {
    kib = Math.max(kib, Number(/^VmHWM:\s+(\d+)/m.exec(statusOf(child.pid))?.[1] ?? 0));
  }, 10);
  const [status] = await ended;
  clearInterval(timer);
  if (status !== 0) throw new Error("ember image pull failed");
  return kib / 1024;
}

function statusOf(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return ""; // it has ended
  }
}

function memoryResult(what: string, memory: number): Result {
  return {
    what: `${what}: memory`,
    ours: `${memory.toFixed(0)} MB`,
    against: "",
    ratio: "",
    target: `<= ${mostMemoryMib} MB`,
    met: memory <= mostMemoryMib,
  };
}
