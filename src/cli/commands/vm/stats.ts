import type { VmStats } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { type Flag, toggle } from "../../parser/flag.ts";
import { vmName } from "../../parser/kinds.ts";
import { any, type Positional } from "../../parser/positional.ts";
import { renderSize } from "../../render/quantity.ts";
import { type Column, renderTable } from "../../render/table.ts";
import type { Session } from "../../session.ts";

const names: Positional<readonly string[]> = any("NAME", vmName, "VMs to look at; all when none is named", {
  complete: "vm",
});
const watchFlag: Flag<boolean> = toggle("watch", "look again every 2 seconds, until interrupted");

const intervalMs = 2000;

interface Sample {
  readonly atMs: number;
  readonly stats: readonly VmStats[];
}

export const stats: Command = {
  flags: [watchFlag],
  positionals: [names],
  description:
    "CPU is processor time so far, or with --watch the share of one processor since the last look. " +
    "HOST is memory taken on this host, READ/WRITTEN what the disk gave and took since the start, where the hypervisor " +
    "counts it, REFUSED what the network refused, when it did; the other columns come from inside the guest.",
  readOnly: true,
  examples: [
    { line: "ember vm stats", shows: "all VMs, once" },
    { line: "ember vm stats web --watch", shows: "keep looking" },
  ],
  async run(session, args) {
    if (!args.get(watchFlag)) {
      const sample = await take(session, args.get(names));
      print(session, sample, undefined);
      if (sample.stats.length === 0) session.note("no VM to show");
      return 0;
    }
    await watch(session, args.get(names));
    return 0;
  },
};

async function watch(session: Session, wanted: readonly string[]): Promise<void> {
  const redraw = session.context.stdout.isTerminal && session.format === "table";
  let previous: Sample | undefined;
  while (!session.signal.aborted) {
    const sample = await take(session, wanted);
    if (redraw) session.print(previous === undefined ? "\x1b[H\x1b[2J" : "\x1b[H\x1b[J");
    if (session.format === "json") session.printLine(sample.stats);
    else print(session, sample, previous);
    previous = sample;
    await session.context.sleep(intervalMs, session.signal);
  }
}

async function take(session: Session, wanted: readonly string[]): Promise<Sample> {
  const { vms } = await session.ember();
  const found = await vms.stats(wanted.length === 0 ? undefined : wanted);
  return { atMs: session.context.now(), stats: found };
}

function print(session: Session, sample: Sample, previous: Sample | undefined): void {
  session.result({
    json: sample.stats,
    text: () =>
      sample.stats.length === 0 ? "" : renderTable(columns(sample, previous), sample.stats, session.look),
  });
}

function columns(sample: Sample, previous: Sample | undefined): Column<VmStats>[] {
  const right = (title: string, value: (row: VmStats) => string): Column<VmStats> => ({
    title,
    value,
    align: "right",
  });
  const counted = sample.stats.some(({ io }) => io !== null);
  const policed = sample.stats.some(
    ({ network }) => network !== null && network.refused + network.spoofed > 0,
  );
  const pair = (used: number, total: number): string => `${renderSize(used)}/${renderSize(total)}`;
  return [
    { title: "NAME", value: (row) => row.name, shrink: { minimum: 8, keep: "start" } },
    { title: "STATUS", value: (row) => row.status },
    right("CPU", (row) => processor(row, sample, previous)),
    right("HOST", (row) => (row.hostMemoryBytes === null ? "" : renderSize(row.hostMemoryBytes))),
    right("MEMORY", ({ guest }) =>
      guest === null ? "" : pair(guest.memoryTotalBytes - guest.memoryAvailableBytes, guest.memoryTotalBytes),
    ),
    right("DISK", ({ guest }) => (guest === null ? "" : pair(guest.diskUsedBytes, guest.diskTotalBytes))),
    ...(counted
      ? [right("READ/WRITTEN", ({ io }) => (io === null ? "" : pair(io.diskReadBytes, io.diskWrittenBytes)))]
      : []),
    right("IN/OUT", ({ guest }) => (guest === null ? "" : pair(guest.receivedBytes, guest.sentBytes))),
    ...(policed
      ? [right("REFUSED", ({ network }) => (network === null ? "" : `${network.refused + network.spoofed}`))]
      : []),
    right("LOAD", ({ guest }) => guest?.loadAverage.toFixed(2) ?? ""),
    right("PROCS", ({ guest }) => guest?.processes.toString() ?? ""),
  ];
}

function processor(row: VmStats, sample: Sample, previous: Sample | undefined): string {
  if (row.cpuSeconds === null) return "";
  const before = previous?.stats.find((candidate) => candidate.name === row.name)?.cpuSeconds;
  if (previous === undefined || typeof before !== "number") return `${row.cpuSeconds.toFixed(1)}s`;
  const elapsedSeconds = Math.max(0.001, (sample.atMs - previous.atMs) / 1000);
  // A VM that was started again counts from nothing.
  return `${Math.round((Math.max(0, row.cpuSeconds - before) / elapsedSeconds) * 100)}%`;
}
