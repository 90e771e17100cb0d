import type { NetworkContext } from "../network.ts";
import type { NetProgram } from "./binary/program.ts";

/** What the parts of this driver know. */
export interface UserContext extends NetworkContext {
  /** ember-net for this host. Throws `host-unsupported`. */
  readonly program: () => NetProgram;
}
