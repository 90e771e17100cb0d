import type { Group, Leaf } from "../../parser/command.ts";

const leaf = (name: string, summary: string, load: Leaf["load"]): Leaf => ({
  kind: "command",
  name,
  summary,
  load,
});

export const imageGroup: Group = {
  kind: "group",
  name: "image",
  summary: "fetch, make and delete the images that VMs start from",
  children: [
    leaf(
      "pull",
      "fetch an image from a registry, an OCI folder or an archive",
      async () => (await import("./pull.ts")).pull,
    ),
    leaf("build", "make an image from a Dockerfile", async () => (await import("./build.ts")).build),
    leaf(
      "bootstrap",
      "make a Debian or Ubuntu image from its packages, without a registry",
      async () => (await import("./bootstrap.ts")).bootstrap,
    ),
    leaf(
      "import",
      "make an image from a root file system, or what docker save wrote",
      async () => (await import("./import.ts")).importImage,
    ),
    leaf("push", "send an image's disk to a registry", async () => (await import("./push.ts")).push),
    leaf("list", "list images", async () => (await import("./list.ts")).list),
    leaf("inspect", "show everything about an image", async () => (await import("./inspect.ts")).inspect),
    leaf(
      "prune",
      "delete images that no VM was made from, and kept layers",
      async () => (await import("./prune.ts")).prune,
    ),
    leaf("delete", "delete an image", async () => (await import("./delete.ts")).deleteImage),
  ],
};
