import type { DiskUsageRow, StorageReport } from "../../types.ts";
import { renderBar } from "./bar.ts";
import { shortImage } from "./names.ts";
import { renderSize, sizeOrDash } from "./quantity.ts";
import type { Look, Style } from "./style.ts";
import { type Column, naturalWidth, renderTable } from "./table.ts";
import { printable } from "./text.ts";

/** What every disk takes, on a terminal with a bar, and below it the pool. */
export function renderUsage(report: StorageReport, look: Look): string {
  const { disks } = report;
  if (disks.length === 0) return renderPool(report, look);
  const columns = columnsFor(report, longTitles, look);
  const fits = look.width === undefined || naturalWidth(columns, disks) <= look.width;
  const table = renderTable(fits ? columns : columnsFor(report, shortTitles, look), disks, look);
  return `${table}\n${renderPool(report, look)}`;
}

interface Titles {
  readonly provisioned: string;
  readonly referenced: string;
  readonly exclusive: string;
  readonly compression: string;
}

const longTitles: Titles = {
  provisioned: "PROVISIONED",
  referenced: "REFERENCED",
  exclusive: "EXCLUSIVE",
  compression: "COMPRESSION",
};

/** For terminals that have no room for the long ones beside the names. */
const shortTitles: Titles = {
  provisioned: "PROV",
  referenced: "REFER",
  exclusive: "EXCL",
  compression: "COMPR",
};

function columnsFor(report: StorageReport, titles: Titles, look: Look): Column<DiskUsageRow>[] {
  const amount = (title: string, bytes: (row: DiskUsageRow) => number | null): Column<DiskUsageRow> => ({
    title,
    align: "right",
    value: (row) => sizeOrDash(bytes(row)),
  });
  const compresses = report.disks.some((row) => row.compressionRatio !== null);
  return [
    { title: "NAME", value: nameOf, shrink: { minimum: 8, keep: "ends" } },
    { title: "KIND", value: (row) => row.kind },
    amount(titles.provisioned, (row) => row.provisionedBytes),
    amount(titles.referenced, (row) => row.referencedBytes),
    amount(titles.exclusive, (row) => row.exclusiveBytes),
    amount("SHARED", (row) => row.sharedBytes),
    ...(compresses ? [compressionColumn(titles.compression)] : []),
    amount("FREES", (row) => row.freesBytes),
    ...(look.width === undefined ? [] : [barColumn(report, look)]),
  ];
}

/** A snapshot stands below its VM. */
function nameOf({ kind, name }: DiskUsageRow): string {
  if (kind === "image") return shortImage(name);
  return kind === "vm" ? name : `  ${name.slice(name.indexOf("/") + 1)}`;
}

function compressionColumn(title: string): Column<DiskUsageRow> {
  return {
    title,
    align: "right",
    value: ({ compressionRatio }) => (compressionRatio === null ? "-" : `${compressionRatio.toFixed(2)}x`),
  };
}

const rowBarWidth = 8;
const poolBarWidth = 20;

/** What a disk refers to, as a share of what the pool holds: first what is its alone, then what it shares. */
function barColumn({ disks, pool }: StorageReport, look: Look): Column<DiskUsageRow> {
  // Numbers that were taken one after the other need not agree.
  const whole = Math.max(1, pool.usedBytes, ...disks.map((row) => row.referencedBytes ?? 0));
  return {
    title: "",
    value: ({ referencedBytes, exclusiveBytes }) => {
      if (referencedBytes === null) return "";
      const exclusive = exclusiveBytes ?? 0;
      return renderBar(
        [
          { share: exclusive / whole, shade: "full" },
          { share: (referencedBytes - exclusive) / whole, shade: "half" },
        ],
        rowBarWidth,
        look,
      );
    },
  };
}

function renderPool({ storage, path, pool }: StorageReport, look: Look): string {
  const { capacityBytes, usedBytes, freeBytes, reservedBytes } = pool;
  const share = capacityBytes > 0 ? Math.min(1, usedBytes / capacityBytes) : 0;
  const bar = renderBar([{ share, shade: "full" }], poolBarWidth, look);
  const shown = look.width === undefined ? "" : `${look.paint(bar, fullnessStyle(share))}  `;
  const reserved = reservedBytes === null ? "" : `, ${renderSize(reservedBytes)} of it reserved`;
  return (
    `${storage} at ${printable(path)}\n` +
    `${shown}${renderSize(usedBytes)} of ${renderSize(capacityBytes)} used${reserved}, ${renderSize(freeBytes)} free\n`
  );
}

/** Where storages with a pool of their own warn, and where they refuse to make anything new. */
function fullnessStyle(share: number): Style {
  if (share >= 0.95) return "bad";
  return share >= 0.85 ? "warning" : "good";
}
