import type { DiskUsageRow, StorageReport } from "../../types.ts";
import { shortImage } from "./names.ts";
import { renderSize } from "./quantity.ts";
import type { Look } from "./style.ts";
import { type Column, renderTable } from "./table.ts";

/** What every disk takes, with a bar on a terminal, and below it the pool. */
export function renderUsage(report: StorageReport, look: Look): string {
  const { disks, pool } = report;
  const table = disks.length === 0 ? "" : `${renderTable(columnsFor(report, look), disks, look)}\n`;
  const used = bar([{ share: pool.usedBytes / pool.capacityBytes, mark: "full" }], 20, look);
  const reserved = pool.reservedBytes === null ? "" : `, ${renderSize(pool.reservedBytes)} of it reserved`;
  return (
    `${table}${report.storage} at ${report.path}\n` +
    `${look.width === undefined ? "" : `${used} `}${renderSize(pool.usedBytes)} of ${renderSize(pool.capacityBytes)} used${reserved}, ` +
    `${renderSize(pool.freeBytes)} free\n`
  );
}

const barWidth = 8;

function columnsFor(report: StorageReport, look: Look): Column<DiskUsageRow>[] {
  const amount = (title: string, bytes: (row: DiskUsageRow) => number | null): Column<DiskUsageRow> => ({
    title,
    align: "right",
    value: (row) => sizeOrDash(bytes(row)),
  });
  const compressed = report.disks.some((row) => row.compressionRatio !== null);
  return [
    { title: "NAME", value: nameOf, shrink: { minimum: 8, keep: "end" } },
    amount(look.width === undefined ? "PROVISIONED" : "PROV", (row) => row.provisionedBytes),
    amount(look.width === undefined ? "REFERENCED" : "REFER", (row) => row.referencedBytes),
    amount(look.width === undefined ? "EXCLUSIVE" : "EXCL", (row) => row.exclusiveBytes),
    amount("SHARED", (row) => row.sharedBytes),
    ...(compressed ? [ratioColumn(look)] : []),
    amount("FREES", (row) => row.freesBytes),
    ...(look.width === undefined ? [] : [barColumn(report, look)]),
  ];
}

/** A snapshot stands below its VM. */
function nameOf(row: DiskUsageRow): string {
  if (row.kind === "image") return `${shortImage(row.name)} (image)`;
  return row.kind === "vm" ? row.name : `  @${row.name.slice(row.name.indexOf("/") + 1)}`;
}

function ratioColumn(look: Look): Column<DiskUsageRow> {
  return {
    title: look.width === undefined ? "COMPRESSION" : "COMPR",
    align: "right",
    value: (row) => (row.compressionRatio === null ? "-" : `${row.compressionRatio.toFixed(2)}x`),
  };
}

function barColumn(report: StorageReport, look: Look): Column<DiskUsageRow> {
  const most = Math.max(1, ...report.disks.map((row) => row.referencedBytes ?? 0));
  return {
    title: "",
    value: ({ referencedBytes, exclusiveBytes }) => {
      const exclusive = (exclusiveBytes ?? 0) / most;
      return bar(
        [
          { share: exclusive, mark: "full" },
          { share: (referencedBytes ?? 0) / most - exclusive, mark: "half" },
        ],
        barWidth,
        look,
      );
    },
  };
}

const sizeOrDash = (bytes: number | null): string => (bytes === null ? "-" : renderSize(bytes));

interface Part {
  readonly share: number;
  readonly mark: "full" | "half";
}

/** A bar of `width` characters; a part that is there at all shows as at least one. */
function bar(parts: readonly Part[], width: number, look: Look): string {
  const unicode = look.ellipsis === "…";
  const marks = unicode ? { full: "█", half: "▒", rest: "·" } : { full: "#", half: "=", rest: "." };
  let text = "";
  for (const { share, mark } of parts) {
    const length = share <= 0 ? 0 : Math.max(1, Math.round(share * width));
    text += marks[mark].repeat(Math.min(length, width - text.length));
  }
  return text.padEnd(width, marks.rest);
}
