import type { Group, Leaf } from "../../parser/command.ts";

const leaf = (name: string, summary: string, load: Leaf["load"]): Leaf => ({
  kind: "command",
  name,
  summary,
  load,
});

export const snapshotGroup: Group = {
  kind: "group",
  name: "snapshot",
  summary: "keep a VM's disk as it is, and go back to it",
  children: [
    leaf("create", "keep a VM's disk as it is now", async () => (await import("./create.ts")).create),
    leaf("list", "list snapshots", async () => (await import("./list.ts")).list),
    leaf(
      "restore",
      "make a stopped VM's disk what it was",
      async () => (await import("./restore.ts")).restore,
    ),
    leaf("delete", "delete snapshots", async () => (await import("./delete.ts")).deleteSnapshots),
    leaf("diff", "show which files differ", async () => (await import("./diff.ts")).diff),
  ],
};
