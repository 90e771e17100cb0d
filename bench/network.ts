import type { BenchInstallation } from "./installation.ts";
import { atLeastResult, median, type Result, toldResult } from "./measure.ts";
import { Ground } from "./network/ground.ts";
import { emulatedGuest, type Machine, type MachineMaker, nativeGuest } from "./network/machines.ts";
import {
  connections,
  type Kind,
  latency,
  measureInTurn,
  memory,
  type Samples,
  throughput,
} from "./network/samples.ts";
import { emberNet, passt, slirp } from "./network/uplinks.ts";

/** What ember-net must reach of the others' throughput. */
const targets: Readonly<Record<string, number>> = { slirp: 1.5, passt: 0.7 };
const flows = 1000;
const rounds = 4;

/**
 * ember-net beside QEMU's own user network and passt, all to the same far end beyond the host. Under a guest that is
 * emulated, whose own processor takes most of the time, and under one that is as quick as the host.
 */
export async function measureNetwork(bench: BenchInstallation): Promise<Result[]> {
  if (process.getuid?.() !== 0) {
    console.log("networks are not compared: that needs root, for network namespaces");
    return [];
  }
  const wanted = process.env["EMBER_BENCH_GUEST"]; // "emulated" or "native": only that one
  const results: Result[] = [];
  if (wanted !== "native") {
    const kinds = kindsOf({ milliseconds: 3000, questions: 400, connections: 200 });
    results.push(...(await compare("emulated", emulatedGuest(bench), kinds)));
  }
  if (wanted !== "emulated") {
    const kinds = kindsOf({ milliseconds: 2000, questions: 4000, connections: 2000 });
    results.push(...(await compare("native", nativeGuest, kinds)));
  }
  return results;
}

interface Kinds {
  readonly throughputs: readonly Kind[];
  readonly latency: Kind;
  readonly connections: Kind;
  readonly memory: Kind;
}

function kindsOf(amounts: { milliseconds: number; questions: number; connections: number }): Kinds {
  return {
    throughputs: [1, 32].flatMap((streams) => [
      throughput(`out, ${streams} streams`, "send", streams, amounts.milliseconds),
      throughput(`in, ${streams} streams`, "receive", streams, amounts.milliseconds),
    ]),
    latency: latency("question and answer", amounts.questions),
    connections: connections("connections, 8 at once", 8, amounts.connections),
    memory: memory(`${flows} open connections`, flows),
  };
}

async function compare(label: string, make: MachineMaker, kinds: Kinds): Promise<Result[]> {
  await using ground = await Ground.open();
  const uplinks = [slirp(), await passt(ground, label), await emberNet(ground, label)];
  const machines: Machine[] = [];
  try {
    for (const uplink of uplinks) if (uplink !== undefined) machines.push(await make(ground, uplink));
    const quick = [...kinds.throughputs, kinds.latency, kinds.connections];
    // First, because what large transfers leave behind is given back only with time.
    const memories = await measureInTurn(machines, [kinds.memory], 1);
    const samples = await measureInTurn(machines, quick, rounds);
    const others = machines.map(({ uplink }) => uplink.name).filter((name) => name !== "ember-net");
    const heading = `network, ${label} guest`;
    return [
      ...kinds.throughputs.flatMap((kind) => throughputRows(heading, others, kind, samples)),
      ...otherRows(heading, others, kinds, samples, memories),
    ];
  } finally {
    for (const machine of machines) machine.remove();
  }
}

/** Against each of the others, then what the processes spent, and whose streams broke. */
function throughputRows(heading: string, others: readonly string[], kind: Kind, samples: Samples): Result[] {
  const rate = (name: string): number => median(samples(kind, name, "rate"));
  const text = (name: string): string => `${(rate(name) / 1e6).toFixed(0)} MB/s`;
  const spent = (name: string): string =>
    ["own", "qemu"].map((number) => median(samples(kind, name, number)).toFixed(2)).join(" + ");
  const broken = (name: string): number =>
    samples(kind, name, "broken").reduce((sum, count) => sum + count, 0);
  const what = `${heading}: ${kind.name}`;
  const results = others.map((name) =>
    atLeastResult(
      what,
      text("ember-net"),
      rate("ember-net"),
      `${name} ${text(name)}`,
      rate(name),
      targets[name] ?? 0,
    ),
  );
  results.push(toldResult("  processor s per GB, network + QEMU", spent("ember-net"), listed(others, spent)));
  if (["ember-net", ...others].some((name) => broken(name) > 0)) {
    const row = toldResult(
      "  streams that broke",
      String(broken("ember-net")),
      listed(others, (name) => String(broken(name))),
    );
    results.push({ ...row, met: broken("ember-net") === 0 });
  }
  return results;
}

function otherRows(
  heading: string,
  others: readonly string[],
  kinds: Kinds,
  samples: Samples,
  memories: Samples,
): Result[] {
  const told = (what: string, text: (name: string) => string): Result =>
    toldResult(`${heading}: ${what}`, text("ember-net"), listed(others, text));
  const micros = (name: string, number: string): string =>
    median(samples(kinds.latency, name, number)).toFixed(0);
  const mib = (name: string, number: string): string =>
    (median(memories(kinds.memory, name, number)) / 2 ** 20).toFixed(1);
  return [
    told(
      `${kinds.latency.name}, p50 / p99 µs`,
      (name) => `${micros(name, "p50Micros")} / ${micros(name, "p99Micros")}`,
    ),
    told(`${kinds.connections.name}, per s`, (name) =>
      median(samples(kinds.connections, name, "rate")).toFixed(0),
    ),
    told(`${kinds.memory.name}, MiB (idle)`, (name) => `${mib(name, "open")} (${mib(name, "idle")})`),
  ];
}

const listed = (names: readonly string[], text: (name: string) => string): string =>
  names.map((name) => `${name} ${text(name)}`).join(", ");
