import { isIPv4 } from "node:net";
import { EmberError } from "../../errors/ember-error.ts";
import type { Parser } from "./flag.ts";
import { shown } from "./kinds.ts";

/** An IPv4 subnet, "10.100.0.0/16". Throws `usage`. */
export const cidr: Parser<string> = (input, what) => {
  const [address = "", prefix = "", ...more] = input.split("/");
  if (!isIPv4(address) || !/^(0|[1-9][0-9]?)$/.test(prefix) || Number(prefix) > 32 || more.length > 0) {
    throw new EmberError("usage", `${what} '${shown(input)}' is not a subnet`, {
      hint: "write an IPv4 address and a prefix length: 10.100.0.0/16",
    });
  }
  return input;
};

/** What a VM is attached to: "default", "none" or a subnet. */
export const networkChoice: Parser<string> = (input, what) => {
  if (input === "default" || input === "none") return input;
  if (/^[0-9]/.test(input)) return cidr(input, what);
  throw new EmberError("usage", `${what} '${shown(input)}' is not a network`, {
    hint: "use default, none, or a subnet such as 10.100.0.0/16",
  });
};
