import { lookUpTool } from "../../host/tools.ts";

/**
 * The name that the Dockerfile has in the folder in which builders run: a path of the user's would not do, since buildah
 * splits it at commas.
 */
export const dockerfileName = "ember.Dockerfile";

/** What a build is of. Paths are absolute. */
export interface BuildPlan {
  readonly context: string;
  /** File that the builder writes the image's id to. */
  readonly idFile: string;
  /** "amd64", as the builder is to make it. */
  readonly architecture: string;
}

/** A program that makes images from Dockerfiles. Its own cache of layers makes the next build quick, and stays. */
export interface Builder {
  readonly name: string;
  build(plan: BuildPlan): readonly string[];
  /** The command that puts the image of that id into the OCI layout `layout` under the tag `image`, in the current folder. */
  hand(id: string): readonly [tool: string, ...args: string[]];
}

/** Dockerfiles have their own arguments; the flags that all three share. */
const common = ({ context, idFile, architecture }: BuildPlan): string[] => [
  ...["--file", dockerfileName, "--iidfile", idFile, "--platform", `linux/${architecture}`, context],
];

const place = "oci:layout:image";

/** In order of preference: without a daemon first. */
export const builders: readonly Builder[] = [
  {
    name: "buildah",
    // Chroot: commands of the Dockerfile run without another program, as root and as users alike.
    build: (plan) => ["build", "--layers", "--format=oci", "--isolation=chroot", ...common(plan)],
    hand: (id) => ["buildah", "push", "--quiet", "--disable-compression", id, place],
  },
  {
    name: "podman",
    build: (plan) => ["build", "--layers", "--format=oci", ...common(plan)],
    hand: (id) => ["podman", "push", "--quiet", id, place],
  },
  {
    name: "docker",
    build: (plan) => ["build", ...common(plan)],
    hand: (id) => ["skopeo", "--insecure-policy", "copy", "--quiet", `docker-daemon:${id}`, place],
  },
];

/** The one of that name, or the first that is installed. */
export function findBuilder(name: string | undefined): Builder | undefined {
  return builders.find((builder) =>
    name === undefined ? lookUpTool(builder.name) !== undefined : builder.name === name,
  );
}
