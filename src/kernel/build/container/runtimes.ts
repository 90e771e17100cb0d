import { lookUpTool } from "../../../host/tools.ts";

/** A program that runs containers. Commands are lists of arguments for it. */
export interface ContainerRuntime {
  readonly name: string;
  /** Makes a container of an image, without a network where the program can do that, in which `exec` works. */
  create(container: string, image: string): readonly string[];
  /** Runs a command there, with standard input. */
  exec(container: string, command: readonly string[]): readonly string[];
  /** Ends all that runs there and removes it; succeeds for one that is not there, where the program can tell that. */
  remove(container: string): readonly string[];
}

const podmanAndDocker: Pick<ContainerRuntime, "create" | "exec" | "remove"> = {
  create: (container, image) => [
    ...["run", "--detach", "--name", container, "--network", "none", "--stop-signal", "KILL"],
    ...["--entrypoint", "sleep", image, "infinity"],
  ],
  exec: (container, command) => ["exec", "--interactive", container, ...command],
  remove: (container) => ["rm", "--force", "--volumes", container],
};

/** In order of preference: without a daemon first. Buildah's containers are folders, and need no more than a chroot. */
export const runtimes: readonly ContainerRuntime[] = [
  { name: "podman", ...podmanAndDocker },
  {
    name: "buildah",
    create: (container, image) => ["from", "--name", container, image],
    exec: (container, command) => ["run", "--isolation", "chroot", container, "--", ...command],
    remove: (container) => ["rm", container],
  },
  { name: "docker", ...podmanAndDocker },
];

/** The one of that name, or the first that is installed. */
export const findRuntime = (name: string | undefined): ContainerRuntime | undefined =>
  runtimes.find((runtime) =>
    name === undefined ? lookUpTool(runtime.name) !== undefined : runtime.name === name,
  );
