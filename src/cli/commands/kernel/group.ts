import type { Group, Leaf } from "../../parser/command.ts";

const leaf = (name: string, summary: string, load: Leaf["load"]): Leaf => ({
  kind: "command",
  name,
  summary,
  load,
});

export const kernelGroup: Group = {
  kind: "group",
  name: "kernel",
  summary: "fetch and choose the kernels that VMs boot",
  children: [
    leaf("list", "list kernels", async () => (await import("./list.ts")).list),
    leaf("pull", "fetch a known kernel", async () => (await import("./pull.ts")).pull),
    leaf("build", "build a small kernel from its source", async () => (await import("./build.ts")).build),
    leaf("import", "take in a kernel file", async () => (await import("./import.ts")).importKernel),
    leaf("default", "choose the kernel for new VMs", async () => (await import("./default.ts")).setDefault),
    leaf("delete", "delete a kernel", async () => (await import("./delete.ts")).deleteKernel),
  ],
};
