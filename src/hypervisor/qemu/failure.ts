import { EmberError } from "../../errors/ember-error.ts";
import { lastLines, plainText } from "../plain-text.ts";

interface Reason {
  readonly pattern: RegExp;
  readonly error: (match: RegExpExecArray, said: string) => EmberError;
}

/** What QEMU prints before it gives up, in order: the first that matches says why. */
const reasons: readonly Reason[] = [
  {
    pattern: /Failed to get (?:"write"|shared "\w+"|"\w+") lock/,
    error: () =>
      new EmberError("wrong-state", "the VM's disk is in use by another process", {
        hint: "stop what uses it, then try again",
      }),
  },
  {
    pattern:
      /(?:Error loading uncompressed kernel|could not (?:load|open) kernel|invalid kernel header|kernel too old|error reading header|without PVH)/i,
    error: (_match, said) =>
      new EmberError("kernel-invalid", `the hypervisor cannot boot the kernel: ${said}`, {
        hint: "see 'ember kernel list' for others",
      }),
  },
  {
    pattern: /cannot set up guest memory|Cannot allocate memory|ram size too large|exceeds .{0,40}memory/i,
    error: (_match, said) =>
      new EmberError("host-unsupported", `this host cannot give the VM its memory: ${said}`, {
        hint: "give the VM less with --memory, or stop other VMs",
      }),
  },
  {
    pattern: /Could not access KVM kernel module|failed to initialize (?:kvm|hvf)|invalid accelerator/i,
    error: (_match, said) =>
      new EmberError("host-unsupported", `hardware virtualisation cannot be used: ${said}`, {
        hint: "emulate with 'ember init --accel tcg', or give this user access to it",
      }),
  },
  {
    pattern: /sandbox.{0,60}(?:not enabled|not supported|failed)|failed to (?:install|configure) seccomp/i,
    error: (_match, said) =>
      new EmberError("host-unsupported", `this QEMU cannot confine itself: ${said}`, {
        hint: "install a QEMU that is built with seccomp",
      }),
  },
];

/** Each line begins with the program, and with the whole option that it complains about. */
const quotedOption = /^qemu[\w-]*: (?:-blockdev \{.*\}: |-[a-z]+ \S+: )?/gm;

/** Why QEMU ended before it ran the guest, from what it printed and how it ended. */
export function startFailure(log: string, ending: number | NodeJS.Signals): EmberError {
  const text = plainText(log);
  const said = lastLines(text.replace(quotedOption, ""), 3, 500).join("; ");
  for (const { pattern, error } of reasons) {
    const match = pattern.exec(text);
    if (match !== null) return error(match, said);
  }
  const how = typeof ending === "number" ? `exit status ${ending}` : `killed by ${ending}`;
  return new EmberError(
    "hypervisor-failed",
    `the hypervisor ended at once (${how})${said === "" ? " and printed nothing" : `: ${said}`}`,
  );
}
