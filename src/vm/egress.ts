import { EmberError } from "../errors/ember-error.ts";
import { formatNetwork4, parseNetwork4 } from "../network/ipv4.ts";
import type { Egress } from "../network/network.ts";

const mostNetworks = 256;

/** The policy with its networks in canonical form and none twice. Throws `usage`. */
export function checkEgress(egress: Egress, mode: "default" | "none"): Egress {
  if (egress === "all") return egress;
  if (mode === "none") {
    throw new EmberError("usage", "a VM without a network has no way out that could be limited", {
      hint: "leave out either --network none or --egress",
    });
  }
  if (egress === "none") return egress;
  const networks = new Set(egress.map((text) => formatNetwork4(parseNetwork4(text))));
  if (networks.size === 0 || networks.size > mostNetworks) {
    throw new EmberError(
      "usage",
      `an egress policy names 1 to ${mostNetworks} networks, not ${networks.size}`,
      {
        hint: "to allow nothing, say none",
      },
    );
  }
  return [...networks];
}
