import { EmberError } from "../../errors/ember-error.ts";
import { parseAddressRule } from "../../policy/address-rule.ts";
import { parseHostRule } from "../../policy/host-rule.ts";
import type { EgressPolicy, PolicyAction } from "../../types.ts";
import type { Parser } from "./flag.ts";
import { shown } from "./kinds.ts";

/** "all", "none", or networks with commas between them, as rules about addresses are written. Throws `usage`. */
export const egressPolicy: Parser<EgressPolicy> = (input, what) => {
  if (input === "all" || input === "none") return input;
  if (/^[0-9[]/.test(input)) {
    return input.split(",").map((network) => {
      parseAddressRule("allow", network, what);
      return network;
    });
  }
  throw new EmberError("usage", `${what} '${shown(input)}' is not a policy`, {
    hint: "use all, none, or networks such as 10.0.0.0/8,192.0.2.7/32; for hosts by name there is --allow-host",
  });
};

/** Checked here, so that a wrong rule is told before anything is done; the library reads it once more. */
export const hostRule =
  (action: PolicyAction): Parser<string> =>
  (input) => {
    parseHostRule(action, input);
    return input;
  };

export const addressRule =
  (action: PolicyAction): Parser<string> =>
  (input) => {
    parseAddressRule(action, input);
    return input;
  };
