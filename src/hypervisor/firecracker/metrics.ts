import { readTail } from "../file-parts.ts";
import type { MachineUsage } from "../hypervisor.ts";

const mostBytes = 64 * 2 ** 20;

/**
 * What went through the devices: each line of the file holds what came since the line before, as JSON (metrics.md), so
 * they are added up. Lines that are cut or that nobody understands count nothing.
 */
export function readIo(path: string): MachineUsage["io"] | undefined {
  const text = readTail(path, mostBytes)?.toString("utf8");
  if (text === undefined) return undefined;
  const io = { diskReadBytes: 0, diskWrittenBytes: 0, networkReceivedBytes: 0, networkSentBytes: 0 };
  for (const line of text.split("\n")) {
    const metrics = parse(line);
    const [block, net] = [fieldsOf(metrics["block"]), fieldsOf(metrics["net"])];
    io.diskReadBytes += numberOf(block["read_bytes"]);
    io.diskWrittenBytes += numberOf(block["write_bytes"]);
    io.networkReceivedBytes += numberOf(net["rx_bytes_count"]);
    io.networkSentBytes += numberOf(net["tx_bytes_count"]);
  }
  return io;
}

function parse(line: string): Readonly<Record<string, unknown>> {
  try {
    return fieldsOf(JSON.parse(line));
  } catch {
    return {}; // the last line is being written
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? value : 0;
}
