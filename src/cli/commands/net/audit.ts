import { policyFlags, ruleOperand } from "../../../policy/describe.ts";
import type { NetworkAudit, NetworkFlow, NetworkPolicy } from "../../../types.ts";
import type { Command } from "../../parser/command.ts";
import { type Flag, toggle } from "../../parser/flag.ts";
import { renderAge } from "../../render/quantity.ts";
import { type Column, renderTable } from "../../render/table.ts";
import type { Session } from "../../session.ts";
import { nameArgument } from "../vm/arguments.ts";

const learnFlag: Flag<boolean> = toggle("learn", "print the policy that allows exactly what was reached");
const forgetFlag: Flag<boolean> = toggle("forget", "empty the record afterwards");

export const audit: Command = {
  flags: [learnFlag, forgetFlag],
  positionals: [nameArgument],
  description:
    "One line for each destination, also of a VM that is stopped. NAME is what the client said (TLS, HTTP), or what the VM was " +
    "answered; RULE is the one that decided, - for none. --learn prints the policy as flags and as YAML for --vm-config.",
  examples: [
    { line: "ember net audit web", shows: "names, addresses and ports, and how often" },
    { line: "ember net audit web --learn", shows: "a policy to begin with" },
    { line: "ember net audit web --forget", shows: "and begin anew" },
  ],
  async run(session, args) {
    const { network } = await session.ember();
    const name = args.get(nameArgument);
    const found = await network.audit(name);
    if (args.get(learnFlag)) printLearned(session, found);
    else printFlows(session, found);
    if (args.get(forgetFlag)) await network.forget(name);
    return 0;
  },
};

function printFlows(session: Session, found: NetworkAudit): void {
  const { flows } = found;
  session.result({
    json: found,
    text: () => (flows.length === 0 ? "" : renderTable(columns(session.context.now()), flows, session.look)),
  });
  if (flows.length === 0) session.note(`${found.vm} has reached nothing yet, and was refused nothing`);
}

function columns(nowMs: number): Column<NetworkFlow>[] {
  return [
    { title: "NAME", value: (flow) => flow.name, shrink: { minimum: 10, keep: "end" } },
    { title: "ADDRESS", value: (flow) => flow.address, shrink: { minimum: 10, keep: "start" } },
    { title: "PORT", align: "right", value: (flow) => (flow.port === 0 ? "" : `${flow.port}`) },
    { title: "PROTO", value: (flow) => flow.protocol },
    {
      title: "VERDICT",
      value: (flow) => flow.verdict,
      style: (flow) => (flow.verdict === "refused" ? "bad" : "good"),
    },
    { title: "RULE", value: (flow) => flow.rule, shrink: { minimum: 8, keep: "end" } },
    { title: "COUNT", align: "right", value: (flow) => `${flow.count}` },
    { title: "LAST", align: "right", value: (flow) => renderAge(flow.lastAt, nowMs) },
  ];
}

function printLearned(session: Session, { vm, learned }: NetworkAudit): void {
  const flags = policyFlags(learned).map(quoted);
  session.result({
    json: { vm, policy: learned, flags: policyFlags(learned) },
    text: () => `${[`ember vm update ${vm}`, ...flags].join(" \\\n  ")}\n\n${yamlOf(learned)}`,
    quiet: () => `${flags.join(" ")}\n`,
  });
}

/** "--allow-host '*.npmjs.org'": shells take '*' and '[' for patterns. */
function quoted(flag: string): string {
  const [name = "", operand = ""] = flag.split(" ");
  return /[*[\]]/.test(operand) ? `${name} '${operand}'` : flag;
}

/** As in a --vm-config file. */
function yamlOf(policy: NetworkPolicy): string {
  const hosts = policy.rules.filter((rule) => "host" in rule).map(ruleOperand);
  const cidrs = policy.rules.filter((rule) => "cidr" in rule).map(ruleOperand);
  const list = (key: string, items: readonly string[]): string[] =>
    items.length === 0 ? [] : [`  ${key}:`, ...items.map((item) => `    - ${JSON.stringify(item)}`)];
  const lines = ["network:", "  egress: none", ...list("allow_hosts", hosts), ...list("allow_cidrs", cidrs)];
  return `${lines.join("\n")}\n`;
}
