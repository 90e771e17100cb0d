import type { Group, Leaf } from "../parser/command.ts";
import { debugGroup } from "./debug/group.ts";
import { imageGroup } from "./image/group.ts";
import { kernelGroup } from "./kernel/group.ts";
import { netGroup } from "./net/group.ts";
import { snapshotGroup } from "./snapshot/group.ts";
import { storageGroup } from "./storage/group.ts";
import { vmGroup } from "./vm/group.ts";

const leaf = (name: string, summary: string, load: Leaf["load"]): Leaf => ({
  kind: "command",
  name,
  summary,
  load,
});

/** For programs only. */
const hidden = (name: string, load: Leaf["load"]): Leaf => ({ ...leaf(name, "", load), hidden: true });

/** Every command, in the order of the help text. Names and summaries only: a command is loaded when it is used. */
export const root: Group = {
  kind: "group",
  name: "ember",
  summary: "microVMs from one command line: copy-on-write disks, no daemon",
  children: [
    leaf(
      "run",
      "run a command in a new VM, which is deleted afterwards",
      async () => (await import("./run/run.ts")).run,
    ),
    vmGroup,
    leaf("exec", "run a command in a VM", async () => (await import("./guest/exec.ts")).exec),
    leaf(
      "ssh",
      "log in to a VM, or run a command as a login does",
      async () => (await import("./guest/ssh.ts")).ssh,
    ),
    leaf("cp", "copy files into or out of a VM", async () => (await import("./guest/cp.ts")).cp),
    leaf(
      "forward",
      "lead ports of this host to a VM",
      async () => (await import("./guest/forward.ts")).forward,
    ),
    leaf(
      "ssh-config",
      "print what OpenSSH needs to reach VMs",
      async () => (await import("./guest/ssh-config.ts")).sshConfig,
    ),
    netGroup,
    snapshotGroup,
    imageGroup,
    kernelGroup,
    storageGroup,
    leaf("init", "prepare this host for VMs", async () => (await import("./installation/init.ts")).init),
    leaf("deinit", "remove what init made", async () => (await import("./installation/deinit.ts")).deinit),
    leaf(
      "info",
      "show what is in use: drivers, capacity, paths",
      async () => (await import("./installation/info.ts")).info,
    ),
    leaf(
      "doctor",
      "check everything that ember needs of this host",
      async () => (await import("./installation/doctor.ts")).doctor,
    ),
    leaf(
      "reconcile",
      "finish or undo what a killed command left",
      async () => (await import("./installation/reconcile.ts")).reconcile,
    ),
    leaf("prune", "delete what nothing uses", async () => (await import("./installation/prune.ts")).prune),
    debugGroup,
    leaf("events", "show what happened", async () => (await import("./installation/events.ts")).events),
    leaf(
      "completion",
      "print completions for a shell",
      async () => (await import("./completion.ts")).completion,
    ),
    leaf("version", "print the version", async () => (await import("./version.ts")).version),
    leaf("help", "explain a command", async () => (await import("./help.ts")).help),
    hidden("__proxy", async () => (await import("./guest/proxy.ts")).proxy),
    hidden("__complete", async () => (await import("./complete.ts")).complete),
  ],
};
