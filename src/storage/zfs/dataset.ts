import { EmberError } from "../../errors/ember-error.ts";
import { zfs, zfsWhenQuiet } from "../../host/zfs.ts";
import { zfsList } from "../../host/zfs-list.ts";
import { type Names, ownerProperty } from "./names.ts";

/** Whether ember's dataset is there; "other" when it is somebody's, or of another installation. */
export async function ownerOf(names: Names, folder: string): Promise<"ours" | "other" | "none"> {
  const [row] = await zfsList(names.pool, [names.root], { properties: [ownerProperty] });
  if (row === undefined) return "none";
  return row.properties[0] === ownerMark(folder) ? "ours" : "other";
}

/** The installation that a dataset belongs to is known by its storage folder. */
function ownerMark(folder: string): string {
  return encodeURI(folder);
}

/** Post-condition: the dataset and those in it are there, and ember's. Idempotent. Throws `already-initialized`. */
export async function makeDataset(names: Names, folder: string): Promise<void> {
  const { pool, root, images, vms, history, scratch } = names;
  const parts = [images, vms, history, scratch];
  const rows = await zfsList(pool, [root, ...parts], { properties: [ownerProperty] });
  const there = new Set(rows.map(({ name }) => name));
  if (!there.has(root)) await makeRoot(names, folder);
  else if (rows.some(({ properties }) => properties[0] !== ownerMark(folder))) throw notOurs(names);
  for (const name of parts.filter((part) => !there.has(part))) {
    await zfs(pool, ["create", "-o", "canmount=off", name], ["exists"]);
  }
}

async function makeRoot(names: Names, folder: string): Promise<void> {
  const { pool, root } = names;
  // Volumes show no device unless they are active, and nothing reads partition tables that guests wrote.
  const options = ["mountpoint=none", "canmount=off", "volmode=none", "snapdev=hidden"];
  const mark = `${ownerProperty}=${ownerMark(folder)}`;
  const flags = [...options, mark].flatMap((option) => ["-o", option]);
  const { problem } = await zfs(pool, ["create", ...flags, root], ["exists", "missing"]);
  if (problem === "missing") {
    throw new EmberError("invalid-name", `the dataset above '${root}' does not exist`, {
      hint: `make it: zfs create ${root.slice(0, root.lastIndexOf("/"))}`,
    });
  }
  if (problem === "exists" && (await ownerOf(names, folder)) !== "ours") throw notOurs(names);
}

export function notOurs({ root }: Names): EmberError {
  return new EmberError("already-initialized", `the dataset '${root}' is not this installation's`, {
    hint: "choose another with --dataset",
  });
}

/** Destroys ember's dataset with all in it. Idempotent. Throws `has-dependants`, `busy`. */
export async function purgeDataset(names: Names, folder: string): Promise<void> {
  const { pool, root } = names;
  if ((await ownerOf(names, folder)) !== "ours") return;
  const inside = (name: string): boolean => name.startsWith(`${root}/`);
  const rows = await zfsList(pool, [root], { recursive: true });
  const strange = rows.flatMap(({ clones }) => clones).find((clone) => !inside(clone));
  if (strange !== undefined) {
    throw new EmberError("has-dependants", `'${strange}' was cloned from one of ember's disks`, {
      hint: `destroy or promote it first: zfs promote ${strange}`,
    });
  }
  await zfsWhenQuiet(pool, ["destroy", "-R", root], ["missing"]);
}
