import { installHint } from "#platform";
import { toEmberError } from "../../errors/ember-error.ts";
import { run } from "../../host/run.ts";
import { lookUpTool } from "../../host/tools.ts";
import type { HypervisorProbe } from "../hypervisor.ts";
import { type Architecture, architectures } from "./machine.ts";

/** The oldest QEMU that knows every option ember uses: frames over a socket (-netdev stream) are of 7.2. */
const oldest = { major: 7, minor: 2 };

/** See `Hypervisor.probe`. */
export async function probeQemu(architecture: Architecture): Promise<HypervisorProbe> {
  const { program } = architectures[architecture];
  const binary = lookUpTool(program);
  if (binary === undefined) {
    return { usable: false, reason: `'${program}' is not installed`, hint: installHint(program) };
  }
  try {
    const { stdout } = await run(program, ["--version"], { timeoutMs: 5_000 });
    const version = /version (\d+)\.(\d+)(?:\.\d+)*/.exec(stdout);
    if (version === null) {
      return { usable: false, reason: `'${binary}' does not say its version`, hint: installHint(program) };
    }
    const number = version[0].slice("version ".length);
    const [major, minor] = [Number(version[1]), Number(version[2])];
    if (major < oldest.major || (major === oldest.major && minor < oldest.minor)) {
      const needed = `${oldest.major}.${oldest.minor}`;
      const reason = `'${binary}' is QEMU ${number}, and ember needs ${needed} or newer`;
      return { usable: false, reason, hint: `install QEMU ${needed} or newer; ${installHint(program)}` };
    }
    return { usable: true, version: number, binary };
  } catch (error) {
    const { message } = toEmberError(error);
    return { usable: false, reason: `'${binary}' cannot be run: ${message}`, hint: installHint(program) };
  }
}
