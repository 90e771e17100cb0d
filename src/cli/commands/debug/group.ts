import type { Group } from "../../parser/command.ts";

export const debugGroup: Group = {
  kind: "group",
  name: "debug",
  summary: "look behind the scenes",
  children: [
    {
      kind: "command",
      name: "storage-efficiency",
      summary: "show how much copy-on-write saves",
      load: async () => (await import("./storage-efficiency.ts")).storageEfficiency,
    },
  ],
};
