import * as v from "valibot";
import { toEmberError } from "../../errors/ember-error.ts";
import { parseSecretHost } from "../../policy/host-rule.ts";
import { closest } from "../parser/closest.ts";
import type { Parser } from "../parser/flag.ts";
import { line, reference, vmName } from "../parser/kinds.ts";
import { cidr } from "../parser/network.ts";
import { addressRule, egressPolicy, hostRule } from "../parser/policy.ts";
import { portMappings } from "../parser/ports.ts";
import { secretOrigin } from "../parser/secret.ts";
import { size } from "../parser/size.ts";
import type { VmSettings } from "./vm-settings.ts";

/** Text that the parser of the matching flag accepts, so that a file and the command line never differ. */
const parsed = <T>(parser: Parser<T>) =>
  v.pipe(
    v.string(({ received }) => `must be text, not ${received}`),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      try {
        return parser(dataset.value, "the value");
      } catch (thrown) {
        const error = toEmberError(thrown);
        addIssue({ message: error.hint === undefined ? error.message : `${error.message} (${error.hint})` });
        return NEVER;
      }
    }),
  );

const wholeNumber = v.pipe(
  v.number(({ received }) => `must be a whole number, not ${received}`),
  v.check(
    (number) => Number.isInteger(number) && number >= 1 && number < 1_000_000,
    "must be a whole number from 1",
  ),
);

/** YAML reads 1.10 as 1.1, so only what cannot be changed on the way is taken without quotes. */
const variable = v.pipe(
  v.union(
    [v.string(), v.pipe(v.number(), v.safeInteger("must be text: put it in quotes")), v.boolean()],
    "must be text: put it in quotes",
  ),
  v.transform(String),
);

const hostList = 'must be a list such as ["api.github.com", "*.npmjs.org"]';
const networkList = 'must be a list such as ["10.0.0.0/8:5432"]';

const secretName = v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, "is not a variable's name"));
const secretHostName: Parser<string> = (input) => parseSecretHost(input, "the host");
const secret = v.strictObject({
  from: parsed(secretOrigin),
  hosts: v.array(parsed(secretHostName), hostList),
});

const network = v.strictObject({
  subnet: v.optional(parsed(cidr)),
  ports: v.optional(v.array(parsed(portMappings), 'must be a list such as ["8080:80"]')),
  egress: v.optional(parsed(egressPolicy)),
  allow_hosts: v.optional(v.array(parsed(hostRule("allow")), hostList)),
  deny_hosts: v.optional(v.array(parsed(hostRule("refuse")), hostList)),
  allow_cidrs: v.optional(v.array(parsed(addressRule("allow")), networkList)),
  deny_cidrs: v.optional(v.array(parsed(addressRule("refuse")), networkList)),
  secrets: v.optional(
    v.record(secretName, secret, "must be a mapping of names to mappings with from and hosts"),
  ),
});

const networkName = v.picklist(
  ["default", "none"],
  "must be default, none, or a mapping with subnet, ports, egress, rules and secrets",
);

const ssh = v.strictObject({
  user: v.optional(parsed(line)),
  key: v.optional(parsed(line)),
});

const shared = {
  image: v.optional(parsed(reference)),
  cpus: v.optional(wholeNumber),
  memory: v.optional(parsed(size)),
  disk_size: v.optional(parsed(size)),
  kernel: v.optional(parsed(reference)),
  boot_args: v.optional(parsed(line)),
  // Not a union: its errors would not say which key is wrong.
  network: v.optional(v.lazy((input) => (typeof input === "string" ? networkName : network))),
  env: v.optional(v.record(v.pipe(v.string(), v.regex(/^[^=\0]+$/, "is not a variable's name")), variable)),
  ssh: v.optional(ssh),
  user_data: v.optional(parsed(line)),
};

const vmFile = v.strictObject({ name: v.optional(parsed(vmName)), ...shared });
/** A name in the global configuration would give every VM the same one. */
const globalFile = v.strictObject(shared);

export type FileKind = "vm" | "global";

export type Checked =
  | { readonly settings: VmSettings }
  | { readonly problem: string; readonly hint: string | undefined };

/** A file's content as settings, or what is wrong with it, naming the key and the closest one that is known. */
export function checkSettings(content: unknown, kind: FileKind): Checked {
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    return { problem: "it must be a mapping of keys to values", hint: "begin with: image: debian" };
  }
  const schema = kind === "vm" ? vmFile : globalFile;
  const result = v.safeParse(schema, content, { abortEarly: true, abortPipeEarly: true });
  if (!result.success) return explain(result.issues[0], Object.keys(schema.entries));
  const { memory, disk_size, boot_args, network: net, env, ssh: login, user_data, ...same } = result.output;
  return {
    settings: {
      ...same,
      memoryBytes: memory,
      diskBytes: disk_size,
      bootArguments: boot_args,
      ...networkSettings(net),
      environment: env,
      user: login?.user,
      sshKey: login?.key,
      userDataFile: user_data,
    },
  };
}

function networkSettings(net: v.InferOutput<typeof network> | string | undefined): VmSettings {
  if (net === undefined || typeof net === "string") return { network: net };
  const secrets = Object.entries(net.secrets ?? {}).map(([name, { from, hosts }]) => ({ name, from, hosts }));
  return {
    network: net.subnet,
    ports: net.ports?.flat(),
    egress: net.egress,
    allowHosts: net.allow_hosts,
    denyHosts: net.deny_hosts,
    allowCidrs: net.allow_cidrs,
    denyCidrs: net.deny_cidrs,
    secrets: secrets.length === 0 ? undefined : secrets,
  };
}

function explain(issue: v.BaseIssue<unknown>, topLevelKeys: readonly string[]): Checked {
  const keys = issue.path?.map((item) => String(item.key)) ?? [];
  const path = keys.join(".");
  if (issue.type !== "strict_object") {
    return { problem: path === "" ? issue.message : `'${path}' ${issue.message}`, hint: undefined };
  }
  // Not a key that is too many: the value itself has the wrong type.
  if (issue.expected !== "never") {
    return {
      problem: `'${path}' must be a mapping`,
      hint: `its keys: ${knownKeys(path, topLevelKeys).join(", ")}`,
    };
  }
  const parent = keys.slice(0, -1).join(".");
  const known = knownKeys(parent, topLevelKeys);
  const meant = closest(keys.at(-1) ?? "", known);
  const prefix = parent === "" ? "" : `${parent}.`;
  const hint = meant === undefined ? `known keys: ${known.join(", ")}` : `did you mean '${prefix}${meant}'?`;
  return { problem: `unknown key '${path}'`, hint };
}

function knownKeys(parent: string, topLevelKeys: readonly string[]): readonly string[] {
  if (parent === "network") return Object.keys(network.entries);
  if (/^network\.secrets\.[^.]+$/.test(parent)) return Object.keys(secret.entries);
  if (parent === "ssh") return Object.keys(ssh.entries);
  return topLevelKeys;
}
