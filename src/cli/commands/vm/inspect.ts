import { quoteCommand } from "../../../guest/quote.ts";
import type { VmDetails } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { type FieldValue, renderFields } from "../../render/fields.ts";
import { renderPort } from "../../render/ports.ts";
import { renderSize } from "../../render/quantity.ts";
import { nameArgument } from "./arguments.ts";

export const inspect: Command = {
  flags: [],
  positionals: [nameArgument],
  readOnly: true,
  examples: [
    { line: "ember vm inspect web", shows: "for reading" },
    { line: "ember vm inspect web --format json", shows: "for scripts, with every field" },
  ],
  async run(session, args) {
    const { vms } = await session.ember();
    const vm = await vms.inspect(args.get(nameArgument));
    session.result({ json: vm, text: () => renderFields(fields(vm), session.look) });
    return 0;
  },
};

function fields(vm: VmDetails): readonly (readonly [string, FieldValue])[] {
  const { egress, policy } = vm.network;
  return [
    ["name", vm.name],
    ["id", vm.id],
    ["status", vm.status],
    ["last error", vm.lastError],
    ["image", vm.image],
    ["forked from", vm.forkedFrom],
    ["cpus", vm.cpus],
    ["memory", renderSize(vm.memoryBytes)],
    ["disk", renderSize(vm.diskBytes)],
    ["kernel", vm.kernel],
    ["boot arguments", vm.bootArguments || null],
    ["command", vm.command.length === 0 ? null : quoteCommand(vm.command)],
    ["environment", Object.entries(vm.environment).map(([key, value]) => `${key}=${value}`)],
    ["user", vm.user],
    ["network", vm.network.mode],
    ["guest address", vm.network.guestIp],
    ["host address", vm.network.hostIp],
    ["mac", vm.network.mac],
    ["ports", vm.network.ports.map(renderPort)],
    ["egress", typeof egress === "string" ? egress : egress.join(", ")],
    ["rules", policy.rules.map(({ text }) => text)],
    ["secrets", vm.secrets.map(({ name, hosts }) => `${name} for ${hosts.join(", ")}`)],
    ["hypervisor", vm.accelerator === null ? vm.hypervisor : `${vm.hypervisor} (${vm.accelerator})`],
    ["storage", vm.storage],
    ["pid", vm.pid],
    ["disk path", vm.diskPath],
    ["console log", vm.consoleLog],
    ["created", vm.createdAt],
    ["started", vm.startedAt],
  ];
}
