import type { Group, Leaf } from "../../parser/command.ts";

const leaf = (name: string, summary: string, load: Leaf["load"]): Leaf => ({
  kind: "command",
  name,
  summary,
  load,
});

export const netGroup: Group = {
  kind: "group",
  name: "net",
  summary: "show what VMs reach, and the network they share",
  children: [
    leaf("audit", "show what a VM reached and was refused", async () => (await import("./audit.ts")).audit),
    leaf(
      "status",
      "show the network's process, and what it counts",
      async () => (await import("./status.ts")).status,
    ),
    leaf(
      "resolver",
      "print what lets this host find VMs by name",
      async () => (await import("./resolver.ts")).resolver,
    ),
  ],
};
