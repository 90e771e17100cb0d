import type { Group, Leaf } from "../../parser/command.ts";

const leaf = (name: string, summary: string, load: Leaf["load"]): Leaf => ({
  kind: "command",
  name,
  summary,
  load,
});

export const vmGroup: Group = {
  kind: "group",
  name: "vm",
  summary: "create, start, stop, list and fork VMs",
  children: [
    leaf("create", "make a VM from an image and start it", async () => (await import("./create.ts")).create),
    leaf("start", "start VMs", async () => (await import("./start.ts")).start),
    leaf("stop", "shut VMs down", async () => (await import("./stop.ts")).stop),
    leaf("restart", "stop VMs and start them again", async () => (await import("./stop.ts")).restart),
    leaf("pause", "halt running VMs where they are", async () => (await import("./pause.ts")).pause),
    leaf("resume", "let paused VMs go on", async () => (await import("./pause.ts")).resume),
    leaf("delete", "delete VMs and their disks", async () => (await import("./delete.ts")).deleteVm),
    leaf("wait", "wait until a VM is ready or stopped", async () => (await import("./wait.ts")).wait),
    leaf("list", "list VMs", async () => (await import("./list.ts")).list),
    leaf("inspect", "show everything about a VM", async () => (await import("./inspect.ts")).inspect),
    leaf("logs", "print what a VM's command or console wrote", async () => (await import("./logs.ts")).logs),
    leaf("stats", "show what VMs use right now", async () => (await import("./stats.ts")).stats),
    leaf(
      "update",
      "change a VM's size, or what it may reach",
      async () => (await import("./update.ts")).update,
    ),
    leaf("publish", "lead ports of this host to a VM", async () => (await import("./publish.ts")).publish),
    leaf("unpublish", "give ports of this host back", async () => (await import("./publish.ts")).unpublish),
    leaf("resize", "make a VM's disk larger", async () => (await import("./resize.ts")).resize),
    leaf("fork", "make new VMs from another one's disk", async () => (await import("./fork.ts")).fork),
    leaf("push", "send a VM's disk to a registry", async () => (await import("./push.ts")).push),
    leaf("tree", "show who came from whom", async () => (await import("./tree.ts")).tree),
  ],
};
