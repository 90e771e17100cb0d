import { describe, expect, test } from "bun:test";
import type { DiskUsageRow, FileChange, StorageReport, TreeNode } from "../../types.ts";
import { sampleReport, sampleTree } from "../testing/storage-samples.ts";
import { renderBar } from "./bar.ts";
import { renderChanges } from "./file-changes.ts";
import { renderUsage } from "./storage-usage.ts";
import type { Look } from "./style.ts";
import { renderTree } from "./tree.ts";

const terminal = (width: number): Look => ({
  width,
  paint: (text) => text,
  unicode: true,
  ellipsis: "…",
  spinner: ["-"],
});
const file: Look = { ...terminal(0), width: undefined, unicode: false };
const coloured: Look = {
  ...file,
  paint: (text, style) => (style === undefined ? text : `<${style}>${text}</>`),
};
const widthOf = (text: string): number => Math.max(...text.split("\n").map((line) => [...line].length));
const gib = 1024 ** 3;

describe("bar", () => {
  const bar = (full: number, half: number): string =>
    renderBar(
      [
        { share: full, shade: "full" },
        { share: half, shade: "half" },
      ],
      8,
      terminal(80),
    );

  test("shows parts in proportion", () => {
    expect(bar(0.25, 0.5)).toBe("██▒▒▒▒··");
    expect(bar(0, 0)).toBe("········");
    expect(bar(1, 0)).toBe("████████");
  });

  test("shows every part that is there, and never grows longer", () => {
    expect(bar(0.001, 0.001)).toBe("█▒······");
    expect(bar(0.999, 0.001)).toBe("███████▒");
    expect(bar(2, 3)).toBe("███████▒");
    expect(bar(-1, Number.NaN)).toBe("········");
  });

  test("is ASCII where the terminal has no more", () => {
    expect(renderBar([{ share: 0.5, shade: "full" }], 4, file)).toBe("##..");
  });
});

describe("storage usage", () => {
  const [image, vm, snapshot] = sampleReport.disks;
  const rows = (changes: Partial<DiskUsageRow>, disks = sampleReport.disks): StorageReport => ({
    ...sampleReport,
    disks: disks.map((row) => ({ ...row, ...changes })),
  });

  test("fits the terminal whatever the names are, each row with its bar", () => {
    if (image === undefined || vm === undefined || snapshot === undefined) throw new Error("no samples");
    const disks = [
      { ...image, name: `ghcr.io/${"x".repeat(80)}/app:1` },
      { ...vm, name: "n".repeat(63) },
      { ...snapshot, name: `${"n".repeat(63)}/${"s".repeat(63)}`, referencedBytes: 1, exclusiveBytes: 1 },
    ];
    for (const width of [80, 100, 160]) {
      const text = renderUsage({ ...sampleReport, disks }, terminal(width));
      expect(widthOf(text)).toBeLessThanOrEqual(width);
      expect(text.match(/[█▒·]{8}\n/g)?.length).toBe(3);
      expect(text).toContain("app:1");
    }
  });

  test("shortens the titles only where the long ones do not fit", () => {
    expect(renderUsage(rows({ compressionRatio: null }), terminal(100))).toContain("PROVISIONED");
    expect(renderUsage(sampleReport, terminal(80))).toContain("PROV  REFER  EXCL");
    expect(renderUsage(sampleReport, file)).toContain("PROVISIONED  REFERENCED  EXCLUSIVE");
  });

  test("has a column for compression only where something is known of it", () => {
    expect(renderUsage(rows({ compressionRatio: null }), file)).not.toContain("COMPRESSION");
    expect(renderUsage(sampleReport, file)).toContain("COMPRESSION");
  });

  test("a bar is a share of what the pool holds: what is the disk's alone, then what it shares", () => {
    const pool = { ...sampleReport.pool, usedBytes: 400 * 1024 ** 2 };
    const text = renderUsage({ ...sampleReport, pool }, terminal(120));
    expect(text).toMatch(/nginx .*▒▒▒▒····\n/);
    expect(text).toMatch(/web .*█▒▒▒▒···\n/);
    expect(text).toMatch(/clean .* {2}-\n/);
  });

  test("the pool stands alone where there are no disks, and leaves out what is not known", () => {
    const report = { ...sampleReport, disks: [], pool: { ...sampleReport.pool, reservedBytes: null } };
    expect(renderUsage(report, file)).toBe("reflink at /var/lib/ember/storage\n25G of 100G used, 75G free\n");
    expect(renderUsage(report, terminal(80))).toContain("█████···············  25G of 100G used");
  });

  test("the pool's bar warns when it is nearly full", () => {
    const look = { ...coloured, width: 80 };
    const filled = (share: number): string =>
      renderUsage({ ...sampleReport, pool: { ...sampleReport.pool, usedBytes: share * 100 * gib } }, look);
    expect(filled(0.5)).toContain("<good>####");
    expect(filled(0.86)).toContain("<warning>####");
    expect(filled(0.97)).toContain("<bad>####");
  });
});

describe("tree", () => {
  const node = (name: string, children: readonly TreeNode[] = []): TreeNode => ({
    kind: "vm",
    name,
    status: "running",
    exclusiveBytes: 4096,
    children,
  });

  test("draws who came from whom, with status or kind and what each has of its own", () => {
    expect(renderTree([sampleTree], terminal(80), () => undefined)).toBe(
      [
        "nginx           image      0B",
        "├─ web          running   50M",
        "│  ├─ clean     snapshot    -",
        "│  └─ web-test  stopped    4K",
        "└─ db           created    0B",
        "",
      ].join("\n"),
    );
    expect(renderTree([sampleTree], file, () => undefined)).toContain("|  `- web-test  stopped");
    expect(renderTree([], file, () => undefined)).toBe("");
  });

  test("fits the terminal: long names keep both ends, deep branches their end", () => {
    let deep = node("the-last-of-them-all");
    for (let level = 0; level < 60; level += 1) deep = node(`fork-${level}`, [deep]);
    const text = renderTree(
      [node("n".repeat(63)), deep, node(`${"a".repeat(70)}-17`)],
      terminal(80),
      () => undefined,
    );
    expect(widthOf(text)).toBeLessThanOrEqual(80);
    expect(text).toContain("└─ the-last-of-them-all  running");
    expect(text).toMatch(/^aaaa.*…a*-17 /m);
  });

  test("control characters in names do not reach the terminal", () => {
    expect(renderTree([node("a\x1b[2Jb")], file, () => undefined)).toStartWith("a?[2Jb");
  });
});

describe("file changes", () => {
  const change = (changes: Partial<FileChange>): FileChange => ({
    change: "added",
    path: "/x",
    type: "file",
    aspects: [],
    sizeBefore: null,
    sizeAfter: null,
    ...changes,
  });

  test("are sorted by path, marked, and coloured on terminals", () => {
    const changes = [
      change({ path: "/srv", change: "removed", type: "directory" }),
      change({ path: "/etc/b", change: "modified", aspects: ["content", "mode"] }),
      change({ path: "/etc/a" }),
    ];
    expect(renderChanges(changes, file)).toBe("+ /etc/a\nM /etc/b (content, mode)\n- /srv/\n");
    expect(renderChanges(changes, coloured)).toBe(
      "<good>+</> /etc/a\n<warning>M</> /etc/b<dim> (content, mode)</>\n<bad>-</> /srv/\n",
    );
    expect(renderChanges([], file)).toBe("");
  });

  test("a path stays on its line and cannot move the cursor", () => {
    const path = "/a\n+ /forged\x1b[2J\x9b1m\u202e/\u0000z";
    expect(renderChanges([change({ path })], file)).toBe("+ /a?+ /forged?[2J?1m?/?z\n");
  });
});
