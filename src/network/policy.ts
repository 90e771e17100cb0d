export type { NetworkFlow, NetworkPolicy, PolicyAction, PolicyRule } from "../types.ts";

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
