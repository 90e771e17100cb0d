import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What stands in for podman: containers are folders, and what runs there runs on this host. */
export interface FakeRuntime {
  /** To be first in PATH. */
  readonly path: string;
  /** Names of the containers that there are. */
  containers(): readonly string[];
  /** The lines of arguments that it was called with. */
  calls(): readonly string[];
}

/** The last arm of `build` fails as a mirror that is gone would have it. */
const script = (folder: string): string => `#!/bin/sh
echo "$*" >> ${folder}/calls
verb=$1; shift
case $verb in
  run)
    while [ "$1" != --name ]; do shift; done
    mkdir -p ${folder}/containers/$2 ;;
  exec)
    [ "$1" = --interactive ] || exit 125
    container=${folder}/containers/$2; shift 2
    [ -d $container ] || exit 125
    for word; do
      shift; set -- "$@" "$(printf %s "$word" | sed "s,/ember-kernel,$container,g")"
    done
    exec "$@" ;;
  rm)
    for name; do :; done
    rm -rf ${folder}/containers/$name ;;
  build)
    [ -e ${folder}/offline ] && { echo "cannot reach the mirror"; exit 1; }
    while [ "$1" != --iidfile ]; do shift; done
    echo sha256:made > "$2" ;;
  *) exit 125 ;;
esac
`;

/** Makes one in `folder`, which must be there. */
export function makeRuntime(folder: string, name = "podman"): FakeRuntime {
  const path = join(folder, "bin");
  mkdirSync(path);
  writeFileSync(join(path, name), script(folder));
  chmodSync(join(path, name), 0o755);
  const read = (file: string): string[] =>
    existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8").trim().split("\n") : [];
  const containers = join(folder, "containers");
  return {
    path,
    containers: () => (existsSync(containers) ? readdirSync(containers) : []),
    calls: () => read("calls"),
  };
}
