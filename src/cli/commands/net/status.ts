import type { NetworkStatus, VmNetworkStatus } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { renderFields } from "../../render/fields.ts";
import { renderSize } from "../../render/quantity.ts";
import { type Column, renderTable } from "../../render/table.ts";

export const status: Command = {
  flags: [],
  positionals: [],
  description:
    "The driver's own process, where it has one, and what it counts of each VM that is attached: connections allowed, refused and " +
    "open, and frames that came with an address that is not the VM's.",
  readOnly: true,
  examples: [{ line: "ember net status", shows: "who is attached, and what was refused" }],
  async run(session) {
    const { network } = await session.ember();
    const found = await network.status();
    session.result({
      json: found,
      text: () =>
        renderFields(fields(found), session.look) +
        (found.vms.length === 0 ? "" : `\n${renderTable(columns, found.vms, session.look)}`),
    });
    return 0;
  },
};

function fields({ driver, process }: NetworkStatus): readonly (readonly [string, string | number | null])[] {
  return [
    ["driver", driver],
    ["process", process === null ? "none" : `pid ${process.pid}, version ${process.version}`],
    ["started", process?.startedAt ?? null],
  ];
}

const right = (title: string, value: (vm: VmNetworkStatus) => string): Column<VmNetworkStatus> => ({
  title,
  value,
  align: "right",
});

const columns: readonly Column<VmNetworkStatus>[] = [
  { title: "NAME", value: (vm) => vm.name, shrink: { minimum: 8, keep: "start" } },
  { title: "LINK", value: (vm) => (vm.linked ? "up" : "down") },
  right("ALLOWED", (vm) => `${vm.allowed}`),
  right("REFUSED", (vm) => `${vm.refused}`),
  right("SPOOFED", (vm) => `${vm.spoofed}`),
  right("OPEN", (vm) => `${vm.connections}`),
  right("IN/OUT", (vm) => `${renderSize(vm.receivedBytes)}/${renderSize(vm.sentBytes)}`),
];
