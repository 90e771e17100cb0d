import type { KernelSummary } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { renderAge, renderSize } from "../../render/quantity.ts";
import { type Column, renderTable } from "../../render/table.ts";

export const list: Command = {
  flags: [],
  positionals: [],
  readOnly: true,
  examples: [{ line: "ember kernel list", shows: "all kernels; the default is marked" }],
  async run(session) {
    const { kernels } = await session.ember();
    const all = await kernels.list();
    session.result({
      json: all,
      text: () => (all.length === 0 ? "" : renderTable(columns(session.context.now()), all, session.look)),
      quiet: () => all.map((kernel) => `${kernel.name}\n`).join(""),
    });
    if (all.length === 0) session.note("no kernels yet; fetch one: ember kernel pull debian");
    return 0;
  },
};

const columns = (nowMs: number): Column<KernelSummary>[] => [
  { title: "NAME", value: (kernel) => kernel.name, shrink: { minimum: 10, keep: "start" } },
  { title: "VERSION", value: (kernel) => kernel.version, shrink: { minimum: 10, keep: "start" } },
  { title: "ARCH", value: (kernel) => kernel.architecture },
  { title: "FORMAT", value: (kernel) => kernel.format },
  { title: "BOOTS UNDER", value: (kernel) => kernel.hypervisors.join(", ") },
  { title: "SIZE", align: "right", value: (kernel) => renderSize(kernel.sizeBytes) },
  { title: "DEFAULT", value: (kernel) => (kernel.isDefault ? "yes" : "") },
  { title: "AGE", align: "right", value: (kernel) => renderAge(kernel.createdAt, nowMs) },
];
