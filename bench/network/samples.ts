import { readFileSync } from "node:fs";
import { farEnd } from "./ground.ts";
import type { Machine } from "./machines.ts";

/** What a guest is told to do, as guest/internal/traffic knows it. */
interface Order {
  readonly op: "send" | "receive" | "ask" | "connect" | "open" | "close";
  readonly streams?: number;
  readonly milliseconds?: number;
  readonly count?: number;
}

interface Answer {
  readonly error?: string;
  readonly bytes: number;
  readonly broken: number;
  readonly seconds: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
}

export async function carryOut(machine: Machine, order: Order): Promise<Answer> {
  machine.orders.say(JSON.stringify({ to: farEnd, ...order }));
  const answer: Answer = JSON.parse(await machine.orders.line());
  if (answer.error !== undefined) {
    throw new Error(`${machine.uplink.name}: ${order.op} failed: ${answer.error}`);
  }
  return answer;
}

/** One kind of measurement: what one run of it gives, several numbers by name. */
export interface Kind {
  readonly name: string;
  readonly run: (machine: Machine) => Promise<Readonly<Record<string, number>>>;
}

/** Bytes per second, and what the processes spent on them: their processor seconds per 10^9 bytes. */
export function throughput(
  name: string,
  op: "send" | "receive",
  streams: number,
  milliseconds: number,
): Kind {
  return {
    name,
    run: async (machine) => {
      const before = [cpuSeconds(machine.uplink.pid), cpuSeconds(machine.qemuPid)];
      const { bytes, seconds, broken } = await carryOut(machine, { op, streams, milliseconds });
      const [own = 0, qemu = 0] = [cpuSeconds(machine.uplink.pid), cpuSeconds(machine.qemuPid)].map(
        (after, index) => (after - (before[index] ?? 0)) / (bytes / 1e9),
      );
      return { rate: bytes / seconds, own, qemu, broken };
    },
  };
}

export function latency(name: string, count: number): Kind {
  return {
    name,
    run: async (machine) => {
      const { p50Micros, p99Micros } = await carryOut(machine, { op: "ask", count });
      return { p50Micros, p99Micros };
    },
  };
}

export function connections(name: string, streams: number, count: number): Kind {
  return {
    name,
    run: async (machine) => {
      const { seconds } = await carryOut(machine, { op: "connect", streams, count });
      return { rate: (Math.floor(count / streams) * streams) / seconds };
    },
  };
}

/** Memory of the process that carries the network while so many connections are open, and without any. */
export function memory(name: string, count: number): Kind {
  return {
    name,
    run: async (machine) => {
      const pid = machine.uplink.pid ?? machine.qemuPid;
      const idle = residentBytes(pid);
      await carryOut(machine, { op: "open", count });
      const open = residentBytes(pid);
      await carryOut(machine, { op: "close" });
      return { idle, open };
    },
  };
}

/** What the rounds gave, by kind, network and number. */
export type Samples = (kind: Kind, uplink: string, number: string) => readonly number[];

/** Runs all kinds on all machines in turn, round after round, so that what the host does meanwhile falls on all alike. */
export async function measureInTurn(
  machines: readonly Machine[],
  kinds: readonly Kind[],
  rounds: number,
): Promise<Samples> {
  const samples = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) {
      for (const machine of machines) {
        for (const [number, value] of Object.entries(await kind.run(machine))) {
          const key = JSON.stringify([kind.name, machine.uplink.name, number]);
          samples.set(key, [...(samples.get(key) ?? []), value]);
        }
      }
    }
  }
  return (kind, uplink, number) => samples.get(JSON.stringify([kind.name, uplink, number])) ?? [];
}

const ticksPerSecond = 100; // USER_HZ, the same on all architectures of ours

/** What a process has used of processors so far (proc(5), fields 14 and 15 of stat); 0 for none. */
function cpuSeconds(pid: number | undefined): number {
  if (pid === undefined) return 0;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Without what it shares with others: RssAnon of proc(5). */
function residentBytes(pid: number): number {
  const [, kib] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}
