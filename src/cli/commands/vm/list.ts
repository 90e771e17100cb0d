import type { VmStatus, VmSummary } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { type Flag, toggle, value } from "../../parser/flag.ts";
import { choice } from "../../parser/kinds.ts";
import { shortImage } from "../../render/names.ts";
import { renderAge, renderSize } from "../../render/quantity.ts";
import { type Column, renderTable } from "../../render/table.ts";
import { statusStyle } from "./status-style.ts";

const statuses = ["created", "running", "paused", "stopped", "failed"] as const satisfies readonly VmStatus[];

const statusFlag: Flag<VmStatus | undefined> = value(
  "status",
  "STATUS",
  choice<VmStatus>(...statuses),
  `only VMs that are ${statuses.slice(0, -1).join(", ")} or ${statuses.at(-1)}`,
  { complete: statuses },
);
const usageFlag: Flag<boolean> = toggle("usage", "add how much of the host's disk each VM takes");

export const list: Command = {
  flags: [statusFlag, usageFlag],
  positionals: [],
  description: "Without --usage only the database is read: fast, and works when the storage does not.",
  readOnly: true,
  examples: [
    { line: "ember vm list", shows: "all VMs" },
    { line: "ember vm list --status running --quiet", shows: "names only, for scripts" },
  ],
  async run(session, args) {
    const usage = args.get(usageFlag);
    const status = args.get(statusFlag);
    const { vms } = await session.ember();
    const all = await vms.list({ usage });
    const shown = status === undefined ? all : all.filter((vm) => vm.status === status);
    session.result({
      json: shown,
      text: () =>
        shown.length === 0 ? "" : renderTable(columns(session.context.now(), usage), shown, session.look),
      quiet: () => shown.map((vm) => `${vm.name}\n`).join(""),
    });
    if (all.length === 0) session.note("no VMs yet; make one: ember vm create web --image debian");
    else if (shown.length === 0) session.note(`no VM is ${status}`);
    return 0;
  },
};

function columns(nowMs: number, usage: boolean): Column<VmSummary>[] {
  const used: Column<VmSummary> = {
    title: "USED",
    align: "right",
    value: (vm) => (vm.usedBytes === undefined ? "" : renderSize(vm.usedBytes)),
  };
  return [
    { title: "NAME", value: (vm) => vm.name, shrink: { minimum: 8, keep: "start" } },
    { title: "STATUS", value: (vm) => vm.status, style: (vm) => statusStyle(vm.status) },
    { title: "IMAGE", value: (vm) => shortImage(vm.image), shrink: { minimum: 6, keep: "end" } },
    { title: "CPUS", align: "right", value: (vm) => String(vm.cpus) },
    { title: "MEMORY", align: "right", value: (vm) => renderSize(vm.memoryBytes) },
    { title: "DISK", align: "right", value: (vm) => renderSize(vm.diskBytes) },
    ...(usage ? [used] : []),
    { title: "ADDRESS", value: (vm) => vm.network.guestIp ?? "" },
    { title: "AGE", align: "right", value: (vm) => renderAge(vm.createdAt, nowMs) },
  ];
}
