import type { SnapshotSummary } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { vmName } from "../../parser/kinds.ts";
import { optional, type Positional } from "../../parser/positional.ts";
import { renderAge, renderSize } from "../../render/quantity.ts";
import { type Column, renderTable } from "../../render/table.ts";
import { statusStyle } from "../vm/status-style.ts";

const vm: Positional<string | undefined> = optional("VM", vmName, "of this VM only", { complete: "vm" });

export const list: Command = {
  flags: [],
  positionals: [vm],
  description: "STATUS is what the VM did when the snapshot was taken.",
  readOnly: true,
  examples: [
    { line: "ember snapshot list", shows: "of all VMs" },
    { line: "ember snapshot list web", shows: "of one" },
  ],
  async run(session, args) {
    const { snapshots } = await session.ember();
    const all = await snapshots.list(args.get(vm));
    session.result({
      json: all,
      text: () => (all.length === 0 ? "" : renderTable(columns(session.context.now()), all, session.look)),
      quiet: () => all.map((snapshot) => `${snapshot.vm} ${snapshot.name}\n`).join(""),
    });
    if (all.length === 0) session.note(howToBegin(args.get(vm)));
    return 0;
  },
};

function howToBegin(name: string | undefined): string {
  const none = name === undefined ? "no snapshots" : `${name} has no snapshots`;
  return `${none}; make one: ember snapshot create ${name ?? "VM"} NAME`;
}

const columns = (nowMs: number): Column<SnapshotSummary>[] => [
  { title: "VM", value: (snapshot) => snapshot.vm, shrink: { minimum: 8, keep: "start" } },
  { title: "NAME", value: (snapshot) => snapshot.name, shrink: { minimum: 8, keep: "start" } },
  { title: "SIZE", align: "right", value: (snapshot) => renderSize(snapshot.diskBytes) },
  {
    title: "STATUS",
    value: (snapshot) => snapshot.vmStatus,
    style: (snapshot) => statusStyle(snapshot.vmStatus),
  },
  { title: "AGE", align: "right", value: (snapshot) => renderAge(snapshot.createdAt, nowMs) },
];
