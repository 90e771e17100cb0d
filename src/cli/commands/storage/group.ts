import type { Group, Leaf } from "../../parser/command.ts";

const leaf = (name: string, summary: string, load: Leaf["load"]): Leaf => ({
  kind: "command",
  name,
  summary,
  load,
});

export const storageGroup: Group = {
  kind: "group",
  name: "storage",
  summary: "see what disks take, and give the storage more room",
  children: [
    leaf("usage", "show what each disk takes and shares", async () => (await import("./usage.ts")).usage),
    leaf("grow", "make the storage larger", async () => (await import("./grow.ts")).grow),
    leaf("trim", "give back what guests have freed", async () => (await import("./trim.ts")).trim),
  ],
};
