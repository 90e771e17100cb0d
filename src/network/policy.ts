/** What happens to a connection. */
export type PolicyAction = "allow" | "refuse";

/**
 * One rule of what a VM may reach. `text` is its name in refusals, counters and records: what the user wrote, such as
 * "--allow-host *.npmjs.org".
 */
export type PolicyRule =
  | {
      readonly action: PolicyAction;
      /** An exact name, or "*." and a suffix: any depth below that, not the suffix itself. Lower case, punycode, no final dot. */
      readonly host: string;
      /** 0: any. */
      readonly port: number;
      readonly text: string;
    }
  | {
      readonly action: PolicyAction;
      /** "10.0.0.0/8"; IPv6 too. */
      readonly cidr: string;
      /** 0: any. */
      readonly port: number;
      /** "": either. */
      readonly protocol: "" | "tcp" | "udp";
      readonly text: string;
    };

/** What a VM may reach besides its siblings. Rules that refuse win over rules that allow; without a rule the default holds. */
export interface NetworkPolicy {
  readonly default: PolicyAction;
  readonly rules: readonly PolicyRule[];
}

/** The guest has `placeholder`; requests over TLS to these hosts carry `value`. Never in arguments, logs or printed rows. */
export interface NetworkSecret {
  readonly name: string;
  readonly placeholder: string;
  readonly value: string;
  /** As in a rule. */
  readonly hosts: readonly string[];
}

/** Signs certificates that only its VM's guest trusts. PEM, both; the key is secret. */
export interface NetworkAuthority {
  readonly certificate: string;
  readonly key: string;
}

/** What a VM reached, or was refused: one line for all connections that look the same. */
export interface NetworkFlow {
  readonly protocol: "tcp" | "udp" | "icmp" | "dns";
  /** "" where only the address is known. */
  readonly name: string;
  /** Where the name comes from: TLS, HTTP, the answer that the VM got for it, no name, or the question (dns). */
  readonly by: "sni" | "host" | "answer" | "address" | "question";
  /** "" for a question. */
  readonly address: string;
  readonly port: number;
  readonly verdict: "allowed" | "refused";
  /** The `text` of the rule that decided, or "". */
  readonly rule: string;
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
}

/** The policy that says what `--egress` says. */
export function policyOfEgress(egress: "all" | "none" | readonly string[]): NetworkPolicy {
  if (egress === "all") return { default: "allow", rules: [] };
  const networks = egress === "none" ? [] : egress;
  return {
    default: "refuse",
    rules: networks.map((cidr) => ({
      action: "allow",
      cidr,
      port: 0,
      protocol: "",
      text: `--egress ${cidr}`,
    })),
  };
}
